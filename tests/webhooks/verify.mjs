// Verifies caught webhooks by the reference library for JavaScript: node verify.mjs FILE SECRET...
// FILE holds one JSON object a line: headers and body. Each must be by every secret.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Webhook } = createRequire(process.cwd() + "/")("standardwebhooks");
const [file, ...secrets] = process.argv.slice(2);
const caught = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
for (const { headers, body } of caught) {
  for (const secret of secrets) new Webhook(secret).verify(body, headers);
  const refused = (body, headers, secret) => {
    try {
      new Webhook(secret).verify(body, headers);
    } catch {
      return;
    }
    throw new Error("a forged webhook was taken");
  };
  refused(body + " ", headers, secrets[0]);
  refused(body, { ...headers, "webhook-id": "msg_other" }, secrets[0]);
  refused(body, headers, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
}
console.log(`${caught.length} webhooks, each by ${secrets.length} secrets`);
