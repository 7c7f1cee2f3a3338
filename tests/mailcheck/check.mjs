// Checks the golden mails with tools that are not postrider's own; prints a line a mail and fails
// where something is wrong. What has no tool here is said once.
//
//   node check.mjs FOLDER      with CHROMIUM, SPAMASSASSIN and PYTHON as programs, where there are any

import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { clients } from './clients.mjs';
import { markup } from './markup.mjs';

/** Mails are no spam, by far: 5.0 would be. */
const SPAM_MAX = 0.5;
/** Pages looked at at the same time. */
const AT_ONCE = 2;

const folder = process.argv[2];
const { CHROMIUM, SPAMASSASSIN, PYTHON } = process.env;
const names = readdirSync(folder).filter((file) => file.endsWith('.eml')).map((file) => file.slice(0, -4)).sort();
const file = (name, ending) => path.join(folder, `${name}.${ending}`);
if (names.length < 14) throw new Error(`${names.length} mails in ${folder}: run the tests first`);

const mails = names.map((name) => ({ name, told: [], wrong: [] }));

for (const mail of mails) {
  const html = readFileSync(file(mail.name, 'html'), 'utf8');
  const mistakes = await markup(html);
  mail.wrong.push(...mistakes.map((mistake) => `html-validate: ${mistake}`));
  mail.told.push(`html ${mistakes.length}`);
  const unknown = clients(html);
  mail.wrong.push(...unknown.outside.map((feature) => `caniemail: ${feature}`));
  mail.told.push(`clients ${unknown.outside.length}+${unknown.extras}`);
}

if (PYTHON) {
  const script = path.join(import.meta.dirname, 'defects.py');
  const run = spawnSync(PYTHON, [script, ...names.map((name) => file(name, 'eml'))], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`defects.py: ${run.stderr ?? run.error}`);
  const defects = JSON.parse(run.stdout);
  for (const mail of mails) {
    const found = defects[file(mail.name, 'eml')];
    mail.wrong.push(...found.map((defect) => `python: ${defect}`));
    mail.told.push(`mime ${found.length}`);
  }
}

if (SPAMASSASSIN) {
  const { spam } = await import('./spam.mjs');
  const [program, ...options] = SPAMASSASSIN.split(' ');
  spam(names.map((name) => file(name, 'eml')), program, options).forEach(({ score, rules }, i) => {
    mails[i].told.push(`spam ${score.toFixed(1)} (${rules.join(' ')})`);
    if (score > SPAM_MAX) mails[i].wrong.push(`spamassassin: ${score} for ${rules.join(', ')}`);
  });
}

if (CHROMIUM) {
  const { open, readable, shown } = await import('./browser.mjs');
  const browser = await open(CHROMIUM);
  const waiting = [...mails];
  const look = async () => {
    for (let mail = waiting.shift(); mail; mail = waiting.shift()) {
      const { wrong, minor } = await readable(browser, await shown(folder, mail.name));
      mail.wrong.push(...wrong.map((finding) => `axe: ${finding}`));
      mail.told.push(`axe ${wrong.length}${minor.length ? ` (minor: ${minor.join(' ')})` : ''}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, look));
  await browser.close();
}

const longest = Math.max(...names.map((name) => name.length));
for (const mail of mails) {
  console.log(`${mail.wrong.length ? 'WRONG' : 'ok   '} ${mail.name.padEnd(longest)}  ${mail.told.join('  ')}`);
  for (const wrong of mail.wrong) console.log(`      ${wrong}`);
}
const absent = [
  [CHROMIUM, 'accessibility and contrast in a browser', 'chromium'],
  [SPAMASSASSIN, 'spam rules', 'spamassassin'],
  [PYTHON, "MIME by Python's parser", 'python3'],
];
for (const [program, what, name] of absent) {
  if (!program) console.log(`not checked here: ${what}; install ${name}`);
}
process.exitCode = mails.some((mail) => mail.wrong.length) ? 1 : 0;
