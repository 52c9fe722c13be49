// Reads each pair of documents, NAME.json and NAME.yaml, as the official parser does. Whatever it says is printed, and
// anything but silence is a failure; so is a YAML that is another document than its JSON.
//
//     node accept.mjs FOLDER

import { readFileSync, readdirSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { Parser } from "@asyncapi/parser";
import yaml from "js-yaml";

const LEVELS = ["error", "warning", "information", "hint"];
const folder = process.argv[2];
const files = readdirSync(folder).filter((name) => /\.(json|yaml)$/.test(name)).sort();
const parser = new Parser();
let wrong = 0;

function say(file, text) {
  wrong += 1;
  console.log(`${file}: ${text}`);
}

for (const file of files) {
  const text = readFileSync(join(folder, file), "utf8");
  const { document, diagnostics } = await parser.parse(text);
  for (const { severity, code, message, path } of diagnostics) {
    say(file, `${LEVELS[severity]}: ${message} (${code}) at /${path.join("/")}`);
  }
  if (!document) {
    say(file, "it is no document to the parser");
  } else if (document.allOperations().length === 0 || document.allMessages().length === 0) {
    say(file, "the parser finds no operation or no message in it");
  }
  if (file.endsWith(".yaml")) {
    const twin = JSON.parse(readFileSync(join(folder, file.replace(/yaml$/, "json")), "utf8"));
    if (!isDeepStrictEqual(yaml.load(text, { schema: yaml.CORE_SCHEMA }), twin)) {
      say(file, "it is another document than its JSON");
    }
  }
}

console.log(`${files.length} documents, ${wrong} complaints`);
process.exit(wrong === 0 && files.length > 0 ? 0 : 1);
