// Transcribes the file on standard input with OpenAI's own client, in each of its formats, and prints the answers as lines
// of JSON.
// node openai_files.cjs URL

const { buffer } = require("node:stream/consumers");
const { OpenAI, toFile } = require("openai");

async function main(url) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });
  const audio = await buffer(process.stdin);
  const ask = async (options) =>
    client.audio.transcriptions.create({ file: await toFile(audio, "talk.flac"), model: "whisper-1", ...options });
  const words = ["word", "segment"];
  const verbose = await ask({ response_format: "verbose_json", timestamp_granularities: words });
  const events = [];
  for await (const event of await ask({ stream: true })) events.push(event);
  const refused = await ask({ language: "xx" }).catch((error) => ({ status: error.status, code: error.code }));
  const answers = { json: await ask({}), srt: await ask({ response_format: "srt" }), verbose, events, refused };
  console.log(JSON.stringify(answers));
}

main(process.argv[2]);
