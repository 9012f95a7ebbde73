/** `reward-forcing`: reward-driven autoregressive video generation, as namespaces that notebooks call step by step. */

export * as engine from './engine/index.ts';
export { tf } from './engine/tf.ts';
export * as evaluate from './evaluate/index.ts';
export * as io from './io/index.ts';
export * as model from './model/index.ts';
export * as nn from './nn/index.ts';
export * as reward from './reward/index.ts';
export * as sampler from './sampler/index.ts';
export * as show from './show/index.ts';
export * as study from './study/index.ts';
export * as train from './train/index.ts';
export * as world from './world/index.ts';
