// Would a filter take it for spam: the local rules of SpamAssassin, without network and without
// what it has learned.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Score and rules of each mail (paths of .eml files), in order. One process judges them all. */
export function spam(files, program, options = []) {
  const mails = files.map((file) => readFileSync(file));
  // A mailbox: the mails hold no line that begins with `From `.
  const box = Buffer.concat(
    mails.flatMap((mail) => [Buffer.from('From reports@example.com Mon Nov 23 07:00:04 2026\n'), mail, Buffer.from('\n')]));
  const run = spawnSync(
    program,
    [...options, '--local', '--test-mode', '--mbox', '--nocreate-prefs', '--prefspath=/dev/null', '--cf=use_bayes 0', '--cf=use_auto_whitelist 0', '--cf=fold_headers 0'],
    { input: box, maxBuffer: 1 << 28, encoding: 'latin1' });
  const verdicts = [...run.stdout.matchAll(/^X-Spam-Status: \w+, score=(-?[\d.]+) .*?tests=(\S*)/gm)];
  if (verdicts.length !== files.length) {
    throw new Error(`${verdicts.length} verdicts about ${files.length} mails: ${run.stderr ?? run.error}`);
  }
  return verdicts.map(([, score, rules]) => ({ score: Number(score), rules: rules.split(',') }));
}
