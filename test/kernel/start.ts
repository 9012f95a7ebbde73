import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Execution, KernelClient } from '../../kernel/client/client.ts';
import type { Json, Message } from '../../kernel/protocol/wire.ts';

const main = fileURLToPath(new URL('../../dist/kernel/main.js', import.meta.url));

/** Starts the built kernel as a Jupyter server would. */
export async function startKernel(cwd: string): Promise<KernelClient> {
  if (!existsSync(main)) throw new Error(`${main} is missing: run "npm run build" first`);
  return KernelClient.start({ argv: [process.execPath, main, '{connection_file}'], cwd });
}

/** Sends a cell and waits until it runs; its end comes later. */
export async function begin(
  kernel: KernelClient,
  code: string,
  options: Json = {},
): Promise<{ ended: Promise<Execution> }> {
  let ended: Promise<Execution> | undefined;
  await new Promise<void>((resolve, reject) => {
    ended = kernel.execute(`display("runs"); ${code}`, options, 60_000, ({ header }) => {
      if (header.msg_type === 'display_data') resolve();
    });
    ended.catch(reject);
  });
  return { ended: ended as Promise<Execution> };
}

export function ofType(messages: readonly Message[], type: string): Json[] {
  return messages.filter((message) => message.header.msg_type === type).map((message) => message.content);
}

/** All stream text of one name, joined. */
export function text(messages: readonly Message[], name = 'stdout'): string {
  return ofType(messages, 'stream')
    .filter((content) => content['name'] === name)
    .map((content) => content['text'])
    .join('');
}

/** text/plain of the only execute_result. */
export function result(messages: readonly Message[]): unknown {
  const [content] = ofType(messages, 'execute_result');
  return (content?.['data'] as Json | undefined)?.['text/plain'];
}
