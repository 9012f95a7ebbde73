/** The xla engine: TensorFlow.js recorded lazily (lazy/), lowered to StableHLO and run by a PJRT plugin. */
import { statSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import type { Engine, Precision } from '../engine.ts';
import { cpuCapabilities, ownVersions } from '../fallback.ts';
import type { RecorderOptions } from '../graph/index.ts';
import { startLazy } from '../lazy/start.ts';
import { findPlugin, type Plugin } from './library.ts';
import { PjrtApi } from './pjrt/api.ts';
import { PjrtClient } from './pjrt/client.ts';
import { profileRuns } from './profile.ts';
import { XlaRuntime } from './runtime.ts';
import { ExecutableStore, storeFolder } from './store.ts';

/** Options of the xla engine; all are fixed by its first use in a process. */
export interface XlaOptions extends RecorderOptions {
  /** The shared library of a PJRT plugin. @defaultValue found, see `findPlugin` */
  plugin?: string;
  /** Folder of compiled executables. @defaultValue `reward-forcing/xla` in the user's cache */
  cache?: string;
  /**
   * Operands of matrix products, convolutions and attention in bfloat16 with sums in float32, or all in float32.
   *
   * @defaultValue 'float32'
   */
  compute?: Precision;
}

/** What an executable depends on beside its program. */
function compilerOf({ path }: Plugin, { api, platform, platformVersion, deviceKind }: PjrtClient): string {
  const { size, mtimeMs } = statSync(path);
  const flags = process.env['XLA_FLAGS'] ?? '';
  const processor = cpus()[0]?.model ?? '';
  return [size, mtimeMs, api.version, platform, platformVersion, deviceKind, processor, flags].join('|');
}

export function startXla(options: XlaOptions): Engine {
  const { plugin: path, cache = storeFolder(), compute = 'float32' } = options;
  const plugin = findPlugin(path);
  const client = new PjrtClient(new PjrtApi(plugin.path));
  const runtime = new XlaRuntime(client, compute, new ExecutableStore(cache, compilerOf(plugin, client)));
  const { recorder, flush, compile, graphs, fallbacks } = startLazy(runtime, options);
  const { platform, platformVersion, deviceKind, api } = client;
  const { maxPending } = recorder;
  return {
    capabilities: {
      ...cpuCapabilities,
      device: platform === 'cpu' ? 'cpu' : 'gpu',
      precisions: ['float32', 'bf16'],
      copiesUploads: true,
      compiles: true,
    },
    settings: {
      ...{ plugin: plugin.path, cache, compute },
      ...{ maxPending, maxSessions: recorder.executables.capacity },
    },
    flush,
    compile,
    profile: (work) => profileRuns(recorder, runtime, work),
    report: () => ({
      name: 'xla',
      device: platform === 'cpu' ? `cpu (${process.platform} ${process.arch})` : `${platform} (${deviceKind})`,
      threads: availableParallelism(),
      precision: compute,
      versions: { pjrt: api.version, plugin: `${platformVersion} from ${plugin.source}`, ...ownVersions() },
      memoryBytes: recorder.bytes,
      graphs: graphs(),
      fallbacks: { ...fallbacks },
    }),
  };
}
