/** The engine that a command computes on. */
import { engine } from '../index.ts';
import { UsageError } from './failure.ts';

/** Flags of every command that computes. */
export interface EngineFlags {
  engine: string;
  threads?: number;
}

export function checkEngine(name: string): void {
  const names: readonly string[] = [...engine.engineNames, 'auto'];
  if (!names.includes(name)) throw new UsageError(`there is no engine "${name}": use ${names.join(', ')}`);
}

export async function startEngine({ engine: name, threads }: EngineFlags): Promise<void> {
  checkEngine(name);
  await engine.use(name as engine.EngineName | 'auto', threads === undefined ? {} : { threads });
}
