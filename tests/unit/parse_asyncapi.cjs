// AsyncAPI's official parser, on each file: node parse_asyncapi.cjs MODULES FILE… prints one line of JSON a file, with
// its channels and all that the parser has to say of it.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const [modules, ...files] = process.argv.slice(2);
const load = createRequire(modules + "/");
const { Parser } = load("@asyncapi/parser");
const avro = load("@asyncapi/avro-schema-parser").AvroSchemaParser();
const ERROR = 0;

// Of AsyncAPI 2 the parser asks the schema parsers itself; of AsyncAPI 3 it does not, up to 3.6.6.
async function payloads(text) {
  const found = [];
  for (const [name, { payload }] of Object.entries(JSON.parse(text).components.messages)) {
    if (!payload) continue;
    const path = ["components", "messages", name, "payload"];
    if (!avro.getMimeTypes().includes(payload.schemaFormat)) {
      found.push({ severity: ERROR, path, message: "no Avro: " + payload.schemaFormat });
    }
    for (const { message } of await avro.validate({ data: payload.schema, path })) {
      found.push({ severity: ERROR, path, message });
    }
  }
  return found;
}

(async () => {
  const parser = new Parser();
  parser.registerSchemaParser(avro);
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    const { document, diagnostics } = await parser.parse(text, { source: file });
    const channels = document ? document.allChannels().all().map((channel) => channel.address()) : [];
    const said = diagnostics.map(({ severity, code, path, message }) => ({ severity, code, path, message }));
    console.log(JSON.stringify({ channels, said: [...said, ...(await payloads(text))] }));
  }
})();
