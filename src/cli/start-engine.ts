/** The engine that a command computes on. */
import { engine } from '../index.ts';
import { UsageError } from './failure.ts';

/** Flags of every command that computes. */
export interface EngineFlags {
  engine: string;
  threads?: number;
}

/** Engines by name; `engine.list()` would also look for their libraries, which takes up to a second. */
const engines: Readonly<Record<engine.EngineName | 'auto', true>> = {
  onnx: true,
  tensorflow: true,
  cpu: true,
  auto: true,
};

/** @throws UsageError if there is no engine of that name. */
export function checkEngine(name: string): void {
  if (Object.hasOwn(engines, name)) return;
  throw new UsageError(`there is no engine "${name}": use ${Object.keys(engines).join(', ')}`);
}

/** Starts the engine that a command asks for. */
export async function startEngine({ engine: name, threads }: EngineFlags): Promise<void> {
  checkEngine(name);
  await engine.use(name as engine.EngineName | 'auto', threads === undefined ? {} : { threads });
}
