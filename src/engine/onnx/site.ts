/** Where user code called a kernel: the first stack frame outside TensorFlow.js and this folder. */
import { fileURLToPath } from 'node:url';

const deep = 40;

/** A stack of the caller, deep enough to pass through TensorFlow.js. */
export function captureSite(): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = deep;
  const site = new Error('call site');
  Error.stackTraceLimit = limit;
  return site;
}

const engineFolder = new URL('..', import.meta.url);
const internals = [engineFolder.href, fileURLToPath(engineFolder), '(native)', 'node:internal', '<anonymous>)'];
const tensorflow = /[\\/(](@tensorflow|tfjs-[a-z]+)[\\/]/;

function isInternal(frame: string): boolean {
  return tensorflow.test(frame) || internals.some((part) => frame.includes(part));
}

/** The line of user code in a captured stack, or the kernel's own line when all frames are internal. */
export function callSite(site: Error): string {
  const frames = (site.stack ?? '').split('\n').slice(1);
  const frame = frames.find((line) => !isInternal(line)) ?? frames[0] ?? 'an unknown line';
  return frame.trim().replace(/^at /, '');
}
