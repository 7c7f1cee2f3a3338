// Is it HTML, and can it be read aloud: html-validate, with its standard and accessibility rules.

import { HtmlValidate } from 'html-validate';

const validator = new HtmlValidate({
  root: true,
  extends: ['html-validate:standard', 'html-validate:a11y'],
  rules: {
    // Mails are laid out with `width`, `align`, `bgcolor` and `cellpadding`: the only ways that all
    // mail clients know, Outlook's Word among them.
    'no-deprecated-attr': 'off',
    // For the same reason their styles stand in the elements: some clients drop `<style>`.
    'no-inline-style': 'off',
  },
});

/** What is wrong with a document, a line each. */
export async function markup(html) {
  const report = await validator.validateString(html);
  const messages = report.results.flatMap((result) => result.messages);
  return messages.map((m) => `${m.ruleId} at ${m.line}:${m.column}: ${m.message}`);
}
