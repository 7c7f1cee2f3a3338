// Do mail clients know what the mail uses: the data of caniemail.com, as its package carries it.

import { caniemail } from 'caniemail';

const CLIENTS = [
  'gmail.desktop-webmail', 'gmail.ios', 'gmail.android',
  'outlook.windows', 'outlook.macos', 'outlook.ios', 'outlook.android',
  'apple-mail.macos', 'apple-mail.ios',
  'yahoo.desktop-webmail', 'yahoo.ios', 'yahoo.android',
  'samsung-email.android', 'thunderbird.macos',
  'protonmail.desktop-webmail', 'protonmail.ios', 'protonmail.android',
];

/** What some client does not know although the mail has it, and why that is no harm. */
const EXTRAS = new Map([
  ['<body> element', 'webmails put a div in its place; what it sets is set again on a table inside'],
  ['@media', 'telephones get smaller paddings; without it the mail is only less compact'],
  ['prefers-color-scheme', 'a dark palette where it is read; the colours bear inversion elsewhere'],
  ['Class selector', 'only inside the style element, which holds nothing but such extras'],
  ['Descendant combinator', 'only inside the style element'],
  ['Type selector', 'only inside the style element'],
  ['Grouping selectors', 'only inside the style element'],
  ['aria-hidden attribute', 'what it hides from those who listen, they hear twice without it'],
  ['border-radius', 'corners are square without it'],
  ['word-break', 'clients without it break long words by themselves or scroll'],
  ['height property', 'line-height is taken for it; where it is used itself, for bars, a cell has the attribute'],
]);

/** The features that a client does not support, with those clients. `outside`: beyond the extras. */
export function clients(html) {
  const { issues } = caniemail({ clients: CLIENTS, html });
  const found = new Map();
  for (const [client, list] of issues.errors ?? []) {
    for (const issue of list) {
      if (!found.has(issue.title)) found.set(issue.title, new Set());
      found.get(issue.title).add(client);
    }
  }
  const told = ([title, clients]) => `${title} is unknown to ${[...clients].join(', ')}`;
  const outside = [...found].filter(([title]) => !EXTRAS.has(title)).map(told);
  return { outside, extras: found.size - outside.length };
}
