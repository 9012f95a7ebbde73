/** Networks that a world trains to judge its clips: rewards and classifiers. */
import type { Architecture, Net } from '../nn/index.ts';
import type { Reward } from '../reward/index.ts';
import type { RunOptions, TrainStep } from '../train/index.ts';

/** Length, seed and size of a judge's training. */
export interface JudgeTraining {
  readonly seed: number;
  readonly steps: number;
  readonly batch: number;
}

/** A judge in training: its recipe, where it keeps its state, what stops it. */
export type JudgeRun = JudgeTraining & Pick<RunOptions, 'folder' | 'saveEvery' | 'signal'>;

/** A network that judges clips of a world, and how it comes about. */
export interface WorldJudge<Config = unknown> {
  /**
   * Its name in recipes, files and results. `reward` is the one that phase 2 climbs, `judge` the second one that nothing
   * is trained on; any other name is the world's own.
   */
  readonly id: string;
  /** What it is, in the words that results keep: `small preference reward`. */
  readonly variant: string;
  readonly architecture: Architecture<Config>;
  readonly config: Config;
  readonly training: JudgeTraining;
  /** Trains it on the world; changes its weights in place. */
  train(net: Net<Config>, run: JudgeRun): AsyncGenerator<TrainStep, void, void>;
  /** What examples that it never saw say of it (accuracy, scale): kept as facts with its weights. */
  validate?(net: Net<Config>): Promise<Readonly<Record<string, string>>>;
  /** The reward that it computes, which owns the net from here on; absent where it computes none. */
  reward?(net: Net<Config>): Reward;
}

/** A world's judges, trained. */
export interface Judges {
  /** @throws Error if the world has no such reward. */
  reward(id: string): Reward;
  /** The network of a judge that computes no reward. */
  net<Config>(judge: WorldJudge<Config>): Net<Config>;
}
