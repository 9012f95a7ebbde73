/**
 * Jupyter's wire format: `[identities..., <IDS|MSG>, signature, header, parent, metadata, content, buffers...]`.
 * Source: Jupyter messaging protocol 5.4, section "The Wire Protocol".
 */
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';

export const PROTOCOL_VERSION = '5.4';
const DELIMITER: Buffer = Buffer.from('<IDS|MSG>');

/** Any JSON object of the protocol. */
export type Json = { [key: string]: unknown };

export interface Header {
  msg_id: string;
  session: string;
  username: string;
  date: string;
  msg_type: string;
  version: string;
}

/** One message; `parent` is the header of the request that caused it, or empty. */
export interface Message {
  identities: Buffer[];
  header: Header;
  parent: Json;
  metadata: Json;
  content: Json;
  buffers: Uint8Array[];
}

/** JSON that is text already: what comes from the user thread is written there, where a value that has no JSON is an error. */
export type JsonText = string;

/** A message to send; its header is made on the way. */
export interface Outgoing {
  type: string;
  content: Json | JsonText;
  /** Header of the request that causes it. */
  parent?: Header | undefined;
  metadata?: Json | JsonText;
  buffers?: readonly Uint8Array[];
}

/** A frame sequence that is no valid message of this kernel: it is dropped, never executed. */
export class WireError extends Error {
  override name = 'WireError';
}

/** Signatures that are remembered, so that a message is taken once: as many as Jupyter's own session keeps. */
const REMEMBERED = 65_536;

/** Makes and checks the signatures of one connection. An empty key means no signing, as the protocol allows. */
export class Signer {
  readonly #key: string;
  readonly #algorithm: string;
  readonly #seen = new Set<string>();

  constructor(key: string, scheme = 'hmac-sha256') {
    if (!scheme.startsWith('hmac-')) {
      throw new WireError(`signature_scheme is "${scheme}"; wanted "hmac-" and a digest, such as "hmac-sha256"`);
    }
    this.#key = key;
    this.#algorithm = scheme.slice('hmac-'.length);
  }

  sign(parts: readonly Uint8Array[]): string {
    if (this.#key === '') return '';
    const hmac = createHmac(this.#algorithm, this.#key);
    for (const part of parts) hmac.update(part);
    return hmac.digest('hex');
  }

  verify(parts: readonly Uint8Array[], signature: Uint8Array): boolean {
    const expected = Buffer.from(this.sign(parts));
    return expected.length === signature.length && timingSafeEqual(expected, signature);
  }

  /** Whether the signature is new, which it is once. Without a key all are the same, and none is refused. */
  isFirst(signature: Uint8Array): boolean {
    if (this.#key === '') return true;
    const text = Buffer.from(signature).toString();
    if (this.#seen.has(text)) return false;
    this.#seen.add(text);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value as string);
    return true;
  }
}

/** What is sent: a message whose parts may be text already. */
export type Draft = Pick<Message, 'header'> & {
  identities: readonly Uint8Array[];
  parent: Json | Header;
  metadata: Json | JsonText;
  content: Json | JsonText;
  buffers: readonly Uint8Array[];
};

/** Frames of a message, ready for a socket. */
export function serialize(message: Draft, signer: Signer): Uint8Array[] {
  const { identities, header, parent, metadata, content, buffers } = message;
  const parts = [header, parent, metadata, content].map((part) =>
    Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)),
  );
  return [...identities, DELIMITER, Buffer.from(signer.sign(parts)), ...parts, ...buffers];
}

/** The message in `frames`. Throws WireError when frames are missing, the signature is wrong or a part is no JSON object. */
export function parse(frames: readonly Buffer[], signer: Signer): Message {
  const at = frames.findIndex((frame) => frame.equals(DELIMITER));
  if (at < 0) throw new WireError('no <IDS|MSG> delimiter in the frames');
  const signature = frames[at + 1];
  const parts = frames.slice(at + 2, at + 6);
  if (!signature || parts.length < 4) {
    throw new WireError(`${frames.length - at - 1} frames after the delimiter; wanted a signature and 4 parts`);
  }
  if (!signer.verify(parts, signature)) throw new WireError('wrong signature');
  const [header, parent, metadata, content] = parts.map(parseObject) as [Json, Json, Json, Json];
  if (typeof header['msg_type'] !== 'string' || typeof header['msg_id'] !== 'string') {
    throw new WireError('the header lacks msg_type or msg_id');
  }
  const identities = frames.slice(0, at);
  return { identities, header: header as unknown as Header, parent, metadata, content, buffers: frames.slice(at + 6) };
}

/** The signature's frame of a message that `parse` has taken. */
export function signatureOf(frames: readonly Buffer[]): Buffer {
  return frames[frames.findIndex((frame) => frame.equals(DELIMITER)) + 1] as Buffer;
}

function parseObject(part: Buffer): Json {
  let value: unknown;
  try {
    value = JSON.parse(part.toString('utf8'));
  } catch (error) {
    throw new WireError(`a part is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WireError('a part is not a JSON object');
  }
  return value as Json;
}

/** A fresh header of this kernel's session. */
export function createHeader(session: string, messageType: string): Header {
  return {
    msg_id: randomUUID(),
    session,
    username: 'kernel',
    date: new Date().toISOString(),
    msg_type: messageType,
    version: PROTOCOL_VERSION,
  };
}
