// Can everybody read it: axe-core in Chromium, in light and dark, on a desk and on a telephone. No
// request leaves the page; one that tries is told.

import { createRequire } from 'node:module';
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { chromium } from 'playwright-core';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const VIEWS = [
  { name: 'light', colorScheme: 'light', width: 800 },
  { name: 'dark', colorScheme: 'dark', width: 360 },
];
const GRAVE = ['serious', 'critical'];
/** A mail is a part of the reader's page, not a page with landmarks of its own. */
const OF_PAGES = { region: { enabled: false }, 'landmark-one-main': { enabled: false } };

/** The mail's HTML with the pictures that came with it. */
export async function shown(folder, name) {
  let html = await readFile(path.join(folder, `${name}.html`), 'utf8');
  for (const file of await readdir(folder)) {
    const [mail, id, kind] = file.split(/\.cid-|\.(?=[a-z]+$)/);
    if (mail !== name || !kind) continue;
    const bytes = await readFile(path.join(folder, file));
    html = html.replaceAll(`"cid:${id}@postrider"`, `"data:image/${kind};base64,${bytes.toString('base64')}"`);
  }
  return html;
}

export async function open(executablePath) {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--host-resolver-rules=MAP * ~NOTFOUND'] });
}

/** A page that shows this HTML and loads nothing; `asked` gets the addresses it wanted. */
export async function page(browser, html, { colorScheme, width, height = 800 }, asked = []) {
  const page = await browser.newPage({ colorScheme, viewport: { width, height } });
  await page.route('**/*', (route) => {
    asked.push(route.request().url());
    return route.abort();
  });
  await page.setContent(html, { waitUntil: 'load' });
  return page;
}

/** What is wrong in a browser: grave findings of axe, requests, pictures that do not show. */
export async function readable(browser, html) {
  const wrong = [];
  const minor = new Set();
  for (const view of VIEWS) {
    const asked = [];
    const tab = await page(browser, html, view, asked);
    const broken = await tab.evaluate(() =>
      [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src.slice(0, 60)));
    await tab.addScriptTag({ path: axe });
    const found = await tab.evaluate(
      (rules) => window.axe.run(document, { rules, resultTypes: ['violations'] }), OF_PAGES);
    for (const finding of found.violations) {
      const where = finding.nodes.slice(0, 3).map((node) => node.target.join(' ')).join('; ');
      const told = `${view.name}: ${finding.id} (${finding.impact}), ${finding.nodes.length} times: ${where}`;
      if (GRAVE.includes(finding.impact)) wrong.push(told);
      else minor.add(finding.id);
    }
    wrong.push(...asked.map((url) => `${view.name}: asks for ${url}`));
    wrong.push(...broken.map((source) => `${view.name}: the picture ${source} does not show`));
    await tab.close();
  }
  return { wrong, minor: [...minor] };
}
