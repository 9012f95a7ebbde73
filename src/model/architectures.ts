/** Every kind of network that files of weights are compared with. */
import type { Architecture } from '../nn/index.ts';
import { amt } from './amt/index.ts';
import { imageReward } from './blip/index.ts';
import { clip } from './clip/index.ts';
import { dino } from './dino/index.ts';
import { musiq } from './musiq/index.ts';
import { qwen2vl } from './qwen2vl/index.ts';
import { raft } from './raft/index.ts';
import { umt5 } from './text/index.ts';
import { vae } from './vae/index.ts';
import { viclip } from './viclip/index.ts';
import { wan } from './wan/index.ts';

/** All records of this layer. */
export const architectures: readonly Architecture<unknown>[] = [
  wan,
  vae,
  umt5,
  imageReward,
  clip,
  viclip,
  dino,
  raft,
  amt,
  musiq,
  qwen2vl,
];
