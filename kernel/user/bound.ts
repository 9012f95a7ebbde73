/** The session that the functions of notebooks act on. */
import type { Json } from '../protocol/wire.ts';
import type { Comms } from './comms.ts';

/** What the session offers to these functions. */
export interface Session {
  readonly signal: AbortSignal;
  readonly comms: Comms;
  publish(messageType: string, content: Json): void;
  input(prompt: string, password: boolean): string;
  /** Lets the cell end only when `work` has. */
  defer(work: Promise<void>): void;
}

let session: Session | null = null;

/** Binds the functions to the kernel of this process. */
export function bindNotebook(bound: Session): void {
  session = bound;
}

/** The bound session. Throws outside a kernel. */
export function current(): Session {
  if (session) return session;
  throw new Error('this function works in a notebook only: no reward-forcing kernel runs in this process');
}
