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
  // They come back in another order, by their dates: told apart by what identifies them.
  const verdicts = new Map();
  const headers = /^X-Spam-Status: \w+, score=(-?[\d.]+) .*?tests=(\S*)[\s\S]*?^Message-ID: (\S+)/gim;
  for (const [, score, rules, id] of run.stdout.matchAll(headers)) {
    verdicts.set(id, { score: Number(score), rules: rules.split(',') });
  }
  return mails.map((mail, i) => {
    const id = /^Message-ID: (\S+)/im.exec(mail.toString('latin1'))?.[1];
    const verdict = verdicts.get(id);
    if (!verdict) throw new Error(`no verdict about ${files[i]}: ${run.stderr ?? run.error}`);
    return verdict;
  });
}
