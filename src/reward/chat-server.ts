/** One yes/no question to a server with the chat interface of OpenAI. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Where a server is and how it is asked. */
export interface ChatServer {
  /** Base address of the server, such as `http://localhost:8000/v1`. */
  readonly endpoint: string;
  readonly model: string;
  /** Sent as a bearer token. */
  readonly apiKey?: string;
  /** Longest wait for an answer. @defaultValue 120 */
  readonly timeoutSeconds?: number;
  /** Further tries where the server is busy (429, 502, 503, 504) or out of reach. @defaultValue 2 */
  readonly retries?: number;
  /** Sends requests. @defaultValue the global `fetch` */
  readonly fetch?: typeof fetch;
}

export interface ChatQuestion {
  /** Pictures as data URLs. */
  readonly images: readonly string[];
  readonly text: string;
  /** Whether the answer is how much likelier yes is than no, in -1..1, instead of +1 or -1. */
  readonly soft: boolean;
  readonly signal: AbortSignal;
}

/** The answer as a number: +1 for yes, -1 for anything else, between them if soft. @throws Error if none comes. */
export async function askServer(server: ChatServer, question: ChatQuestion): Promise<number> {
  const url = `${server.endpoint.replace(/\/+$/, '')}/chat/completions`;
  const { retries = 2 } = server;
  for (let tried = 0; ; tried++) {
    const { reply, failure, isBusy } = await request(url, server, question);
    if (failure === null) return question.soft ? softAnswer(url, reply) : hardAnswer(url, reply);
    if (!isBusy || tried >= retries) throw new Error(tried > 0 ? `${failure} (tried ${tried + 1} times)` : failure);
    await sleep(FIRST_PAUSE_MS * 2 ** tried, undefined, { signal: question.signal });
  }
}

const FIRST_PAUSE_MS = 250;
const busy: ReadonlySet<number> = new Set([429, 502, 503, 504]);

interface Reply {
  reply: string;
  failure: string | null;
  /** Whether another try may help. */
  isBusy: boolean;
}

async function request(url: string, server: ChatServer, question: ChatQuestion): Promise<Reply> {
  const { apiKey, timeoutSeconds = 120, fetch: send = fetch } = server;
  const late = AbortSignal.timeout(1000 * timeoutSeconds);
  try {
    const response = await send(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(apiKey && { authorization: `Bearer ${apiKey}` }) },
      body: JSON.stringify(bodyOf(server, question)),
      signal: AbortSignal.any([question.signal, late]),
    });
    const reply = await response.text();
    const failure = response.ok ? null : `${url} answered ${response.status}: ${reply.slice(0, 300)}`;
    return { reply, failure, isBusy: busy.has(response.status) };
  } catch (error) {
    question.signal.throwIfAborted();
    if (late.aborted) {
      throw new Error(`${url}: no answer within ${timeoutSeconds} s; timeoutSeconds waits longer`, { cause: error });
    }
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? `${message}, ${cause.message}` : message;
    return { reply: '', failure: `${url} cannot be reached: ${why}`, isBusy: true };
  }
}

/** Greedy, one token; the likeliest tokens with it if soft. */
function bodyOf({ model }: ChatServer, { images, text, soft }: ChatQuestion): object {
  const pictures = images.map((image) => ({ type: 'image_url', image_url: { url: image } }));
  const messages = [{ role: 'user', content: [...pictures, { type: 'text', text }] }];
  return { model, messages, temperature: 0, max_tokens: 1, ...(soft && { logprobs: true, top_logprobs: 20 }) };
}

interface ChatCompletion {
  readonly choices?: readonly {
    readonly message?: { readonly content?: unknown };
    readonly logprobs?: { readonly content?: readonly { readonly top_logprobs?: readonly Likely[] }[] } | null;
  }[];
}

interface Likely {
  readonly token: string;
  readonly logprob: number;
}

function hardAnswer(url: string, reply: string): number {
  const answer = parsed(reply)?.choices?.[0]?.message?.content;
  if (typeof answer !== 'string') throw new Error(`${url}: no choices[0].message.content in ${reply.slice(0, 300)}`);
  return /^\s*yes\b/i.test(answer) ? 1 : -1;
}

/** tanh((l_yes - l_no) / 2) = 2 p - 1; a word that is not among the likeliest tokens is at most as likely as the last. */
function softAnswer(url: string, reply: string): number {
  const likely = parsed(reply)?.choices?.[0]?.logprobs?.content?.[0]?.top_logprobs ?? [];
  const [yes, no] = [logSum(likely, 'yes'), logSum(likely, 'no')];
  if (!Number.isFinite(Math.max(yes, no))) {
    throw new Error(
      `${url}: neither yes nor no among the likeliest tokens of ${reply.slice(0, 300)}; the server must send ` +
        "choices[0].logprobs.content[0].top_logprobs, or ask with answers: 'hard'",
    );
  }
  const last = Math.min(...likely.map(({ logprob }) => logprob));
  return Math.tanh((Math.max(yes, last) - Math.max(no, last)) / 2);
}

/** Log of the probability of a word in any spelling: "Yes", " yes". */
function logSum(likely: readonly Likely[], word: string): number {
  const same = likely.filter(({ token }) => String(token).trim().toLowerCase() === word);
  return Math.log(same.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0));
}

function parsed(text: string): ChatCompletion | null {
  try {
    return JSON.parse(text) as ChatCompletion | null;
  } catch {
    return null;
  }
}
