// Pictures of the golden mails, to be looked at by people: narrow, usual and wide, light and dark,
// without pictures, and as clients leave them that take parts of their styles away.
//
//   node shots.mjs MAILS OUT [NAME...]     CHROMIUM is the path of the program

import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { open, page, shown } from './browser.mjs';

/** What Word's engine, and with it Outlook on Windows, makes of a mail: roughly. */
function word(html) {
  const gone = /(?:max-width|border-radius|display)\s*:[^;"]*;?|margin\s*:[^;"]*auto[^;"]*;?/g;
  const bare = withoutMedia(html).replace(gone, '');
  // Padding holds in cells alone; conditional comments are what it reads.
  const padding = (tag) => tag.replace(/padding[a-z-]*\s*:[^;"]*;?/g, '');
  return bare.replace(/<(?:div|p|a|span|h1|h2|img)\b[^>]*>/g, padding)
    .replace(/<!--\[if mso\]>([\s\S]*?)<!\[endif\]-->/g, '$1')
    // It is not relied on to hide by `display`; this it knows.
    .replace(/<(div|span)\b[^>]*mso-hide:all[^>]*>[\s\S]*?<\/\1>/g, '');
}

/** Gmail with accounts of others: no style element. */
const gmail = (html) => html.replace(/<style>[\s\S]*?<\/style>/g, '');
const withoutMedia = (html) => html.replace(/@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}/g, '');
const blind = (html) => html.replace(/src="(?:cid|data):[^"]*"/g, 'src="data:image/png;base64,AA"');

const VIEWS = [
  { name: '360', width: 360 },
  { name: '360-dark', width: 360, colorScheme: 'dark' },
  { name: '600', width: 600 },
  { name: '1200', width: 1200 },
  { name: '1200-dark', width: 1200, colorScheme: 'dark' },
  { name: '600-blind', width: 600, change: blind },
  { name: '800-word', width: 800, change: word },
  { name: '360-gmail', width: 360, change: gmail },
  { name: '800-gmail', width: 800, change: gmail },
];

const [folder, out, ...wanted] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const names = readdirSync(folder).filter((file) => file.endsWith('.html')).map((file) => file.slice(0, -5));
const browser = await open(process.env.CHROMIUM ?? '/usr/bin/chromium');
for (const name of names.filter((name) => !wanted.length || wanted.includes(name)).sort()) {
  for (const view of VIEWS) {
    const html = (view.change ?? ((html) => html))(await shown(folder, name));
    const tab = await page(browser, html, { colorScheme: 'light', ...view });
    const wide = await tab.evaluate(() => document.scrollingElement.scrollWidth);
    if (wide > view.width) console.log(`${name} at ${view.name}: ${wide} px wide`);
    await tab.screenshot({ path: path.join(out, `${name}-${view.name}.png`), fullPage: true, clip: { x: 0, y: 0, width: view.width, height: 2400 } }).catch(() =>
      tab.screenshot({ path: path.join(out, `${name}-${view.name}.png`) }));
    await tab.close();
  }
}
await browser.close();
