/** The engines there are: a folder each, listed here and nowhere else. */
import { cpu } from './cpu/index.ts';
import type { CommonOptions, EngineDefinition } from './engine.ts';
import { onnx } from './onnx/index.ts';
import { tensorflow } from './tensorflow/index.ts';

interface Definitions {
  readonly onnx: typeof onnx;
  readonly tensorflow: typeof tensorflow;
  readonly cpu: typeof cpu;
}

const definitions: Definitions = { onnx, tensorflow, cpu };

/** Engines by name. */
export type EngineName = keyof Definitions;

type OptionsIn<Definition> = Definition extends EngineDefinition<string, infer Options> ? Options : never;

/** Options of `use` for each engine; `auto` takes those of the engine that it means. */
export type EngineOptions<Name extends EngineName | 'auto'> = CommonOptions &
  OptionsIn<Definitions[Name extends EngineName ? Name : 'onnx']>;

/** Names of the engines, the default first; `list` also looks for their libraries, which takes up to a second. */
export const engineNames: readonly EngineName[] = Object.keys(definitions) as EngineName[];

/** The engine of a name. */
export function definitionOf(name: EngineName): EngineDefinition<EngineName, object> {
  return definitions[name] as EngineDefinition<EngineName, object>;
}
