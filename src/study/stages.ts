/** The stages of the small scale, each from what the earlier ones left in the workshop to one file of weights. */
import { CLASSIFIER, initClassifier } from '../model/classifier/index.ts';
import { initWan, type WanConfig, wanForward } from '../model/index.ts';
import { initVae, type VaeConfig } from '../model/vae/index.ts';
import { random, type Weights } from '../nn/index.ts';
import {
  initSmallReward,
  SECOND_JUDGE,
  SMALL_REWARD,
  type SmallRewardConfig,
  validatePreferences,
} from '../reward/index.ts';
import * as train from '../train/index.ts';
import type { ArtefactName } from './artefacts.ts';
import { clipLatentShape, type Net, type Studio, studentSchedule } from './generate.ts';
import { phase1, phase2, type SupervisedFrames } from './phases.ts';
import { loadReward } from './rewards.ts';
import { sampleTeacher, trajectorySource } from './trajectories.ts';
import type { Work, Workshop } from './workshop.ts';
import { clipBatch, encodeClips, type LatentBank, latentSource, promptSource, windowSource } from './world.ts';

/** Clips that the latents' mean and deviation are measured on, in batches of 16. */
const STATISTICS_BATCHES = 16;

export async function* makeVae(shop: Workshop): Work {
  const { seed, vae } = shop.recipe;
  const weights = shop.own(initVae(vae.config, shop.key('vae')));
  for (const [i, phase] of vae.phases.entries()) {
    yield* shop.train(`vae-${i + 1}`, phase.steps, (run) =>
      train.vae({
        ...phase,
        ...run,
        seed: seed + i,
        vae: { weights, config: vae.config },
        data: windowSource(shop.recipe),
        klWeight: vae.klWeight,
        pixelWeight: { above: -0.5, weight: vae.litWeight },
      }),
    );
  }
  const clips = Array.from({ length: STATISTICS_BATCHES }, (_, i) => clipBatch(shop.recipe, 16 * i, 16).video);
  const { mean, std } = await train.latentStatistics({ weights, config: vae.config }, clips);
  await shop.save('vae', weights, { ...vae.config, latents_mean: mean, latents_std: std });
}

/** Flow matching on the latents of real clips. */
export async function* makeTeacher(shop: Workshop): Work {
  const { seed, teacher } = shop.recipe;
  const bank = yield* encoded(shop);
  const weights = shop.own(initWan(teacher.config, shop.key('teacher')));
  const average = shop.average(weights, teacher.emaDecay);
  yield* shop.train('teacher', teacher.train.steps, (run) =>
    train.teacher({
      ...teacher.train,
      ...run,
      seed,
      average,
      sampling: teacher.sampling,
      teacher: bidirectional(weights, teacher.config),
      data: latentSource(bank),
      encodeText: shop.encodeText,
    }),
  );
  await shop.save('teacher', average.weights, teacher.config);
}

async function* encoded(shop: Workshop): Work<LatentBank> {
  const encoding = encodeClips(shop.recipe, await shop.load<VaeConfig>('vae'), shop.folder);
  for (;;) {
    const { done, value } = await encoding.next();
    if (done) return value;
    shop.signal?.throwIfAborted();
    yield { stage: 'latents', done: value, total: shop.recipe.latents, values: {} };
  }
}

/** Distribution matching from many steps with guidance to a few without. */
export async function* makeDistilled(shop: Workshop): Work {
  const { seed, distil, student: few } = shop.recipe;
  const { generator, critic } = distil;
  const { weights, config } = await shop.load<WanConfig>('teacher');
  const student = shop.own(weights.clone());
  const average = shop.average(student, distil.emaDecay);
  yield* shop.train('distil', generator.steps, (run) =>
    train.distil({
      ...run,
      seed,
      average,
      batch: generator.batch,
      generator: bidirectional(student, config),
      generatorLearner: generator,
      critic: bidirectional(shop.own(weights.clone()), config),
      criticLearner: critic,
      teacher: bidirectional(weights, config),
      prompts: promptSource(),
      encodeText: shop.encodeText,
      latentShape: clipLatentShape(shop.recipe),
      schedule: studentSchedule(shop.recipe),
      realGuidance: distil.guidance - 1,
      shift: few.shift,
      generatorEvery: distil.generatorEvery,
    }),
  );
  await shop.save('distilled', average.weights, config);
}

/** The teacher's ODE trajectories for phase 1, into the workshop's store. */
export async function* makeTrajectories(shop: Workshop): Work {
  const { trajectories } = shop.recipe;
  const store = await shop.trajectories();
  const teacher = await shop.load<WanConfig>('teacher');
  const strangers = store.records().filter((record) => record.teacher !== teacher.sha256).length;
  if (strangers > 0) {
    throw new Error(
      `${store.folder} holds ${strangers} trajectories of another teacher: delete the folder and start again`,
    );
  }
  const prompts = await promptSource()(shop.key('trajectory-prompts'), trajectories.count);
  yield* sampleTeacher({ recipe: shop.recipe, encodeText: shop.encodeText }, teacher, {
    prompts,
    store,
    ...(shop.signal && { signal: shop.signal }),
  });
}

/** Phase 1. */
export async function* makeOde(shop: Workshop): Work {
  const { seed, ode } = shop.recipe;
  const student = await shop.load<WanConfig>('distilled');
  const average = shop.average(student.weights, ode.emaDecay);
  const data = await trajectorySource(await shop.trajectories());
  const studio = await studioOf(shop);
  yield* shop.train('ode', ode.steps, (run) => phase1(studio, student, data, { ...ode, ...run, seed, average }));
  await shop.save('ode', average.weights, student.config);
}

/** The training reward or its held-out judge: same data, another seed and another stem. */
export async function* makePreference(shop: Workshop, name: 'reward' | 'judge'): Work {
  const { seed, steps, batch } = shop.recipe.judges[name];
  const config: SmallRewardConfig = { reward: SMALL_REWARD, judge: SECOND_JUDGE }[name];
  const weights = shop.own(initSmallReward(config, random.key(seed).stream('weights')));
  yield* shop.train(name, steps, (run) => train.preference({ ...run, seed, batch, reward: { weights, config } }));
  const { scale, accuracy } = await validatePreferences(weights, config);
  const about = { mean: String(scale.mean), std: String(scale.std), accuracy: String(accuracy) };
  await shop.save(name, weights, config, about);
}

export async function* makeClassifier(shop: Workshop): Work {
  const { seed, steps, batch } = shop.recipe.judges.classifier;
  const weights = shop.own(initClassifier(CLASSIFIER, random.key(seed).stream('weights')));
  yield* shop.train('classifier', steps, (run) => train.classifier({ ...run, seed, batch, classifier: { weights } }));
  await shop.save('classifier', weights, CLASSIFIER);
}

/** Phase 2, with the reward on the chosen frames. */
export async function* makeRewarded(shop: Workshop, name: ArtefactName, frames: SupervisedFrames): Work {
  const { seed, reward } = shop.recipe;
  const student = await shop.load<WanConfig>('ode');
  const average = shop.average(student.weights, reward.emaDecay);
  const judge = await loadReward(shop.weights, 'reward');
  const studio = { ...(await studioOf(shop)), reward: judge };
  try {
    yield* shop.train(name, reward.train.steps, (run) =>
      phase2(studio, student, { ...reward.train, ...run, seed, average, frames }),
    );
    await shop.save(name, average.weights, student.config, { frames });
  } finally {
    judge.dispose();
  }
}

async function studioOf(shop: Workshop): Promise<Studio> {
  const vae: Net<VaeConfig> = await shop.load<VaeConfig>('vae');
  return { recipe: shop.recipe, vae, encodeText: shop.encodeText };
}

function bidirectional(weights: Weights, config: WanConfig): train.Network {
  return { weights, forward: (own, input) => wanForward(own, config, input) };
}
