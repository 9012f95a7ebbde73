/** The stages of the small scale, each from what the earlier ones left in the study to one file of weights. */

import { wan } from '../../model/index.ts';
import { vae as autoencoder } from '../../model/vae/index.ts';
import { random } from '../../nn/index.ts';
import * as train from '../../train/index.ts';
import { CLASSIFIER, classifier } from '../../world/digits/classifier/index.ts';
import { classifier as trainClassifier } from '../../world/digits/classifier/train-classifier.ts';
import {
  SECOND_JUDGE,
  SMALL_REWARD,
  type SmallRewardConfig,
  smallRewardNet,
  validatePreferences,
} from '../../world/digits/judge/index.ts';
import { preference } from '../../world/digits/judge/train-preference.ts';
import {
  clipBatch,
  encodeClips,
  type LatentBank,
  latentSource,
  promptSource,
  windowSource,
} from '../../world/digits/sources.ts';
import type { ArtefactName } from '../networks/artefacts.ts';
import { clipLatentShape, type SamplingParts, studentSchedule } from '../networks/generate.ts';
import { loadReward } from '../networks/rewards.ts';
import { phase1, phase2, type SupervisedFrames } from './phases.ts';
import type { StudyRun, Work } from './study-run.ts';
import { sampleTeacher, trajectorySource } from './trajectories.ts';

/** Clips that the latents' mean and deviation are measured on, in batches of 16. */
const STATISTICS_BATCHES = 16;

export async function* makeVae(study: StudyRun): Work {
  const { seed, vae } = study.recipe;
  const net = study.own(autoencoder.init(vae.config, study.key('vae')));
  for (const [i, phase] of vae.phases.entries()) {
    yield* study.train(`vae-${i + 1}`, phase.steps, (run) =>
      train.vae({
        ...phase,
        ...run,
        seed: seed + i,
        vae: net,
        data: windowSource(study.recipe),
        klWeight: vae.klWeight,
        pixelWeight: { above: -0.5, weight: vae.litWeight },
      }),
    );
  }
  const clips = Array.from({ length: STATISTICS_BATCHES }, (_, i) => clipBatch(study.recipe, 16 * i, 16).video);
  const { mean, std } = await train.latentStatistics(net, clips);
  await study.save('vae', net.with({ latents_mean: mean, latents_std: std }));
}

/** Flow matching on the latents of real clips. */
export async function* makeTeacher(study: StudyRun): Work {
  const { seed, teacher } = study.recipe;
  const bank = yield* encoded(study);
  const net = study.own(wan.init(teacher.config, study.key('teacher')));
  const average = study.average(net, teacher.emaDecay);
  yield* study.train('teacher', teacher.train.steps, (run) =>
    train.teacher({
      ...teacher.train,
      ...run,
      seed,
      average,
      sampling: teacher.sampling,
      teacher: net,
      data: latentSource(bank),
      text: { encode: study.encodeText },
    }),
  );
  await study.save('teacher', average.net);
}

async function* encoded(study: StudyRun): Work<LatentBank> {
  const encoding = encodeClips(study.recipe, await study.load('vae', autoencoder), study.folder);
  for (;;) {
    const { done, value } = await encoding.next();
    if (done) return value;
    study.signal?.throwIfAborted();
    yield { stage: 'latents', done: value, total: study.recipe.latents, values: {} };
  }
}

/** Distribution matching from many steps with guidance to a few without. */
export async function* makeDistilled(study: StudyRun): Work {
  const { seed, distil, student: few } = study.recipe;
  const { generator, critic } = distil;
  const teacher = await study.load('teacher', wan);
  const student = study.own(teacher.clone());
  const average = study.average(student, distil.emaDecay);
  yield* study.train('distil', generator.steps, (run) =>
    train.distil({
      ...run,
      seed,
      average,
      batch: generator.batch,
      generator: student,
      generatorLearner: generator,
      critic: study.own(teacher.clone()),
      criticLearner: critic,
      teacher,
      prompts: promptSource(),
      text: { encode: study.encodeText },
      latentShape: clipLatentShape(study.recipe),
      schedule: studentSchedule(study.recipe),
      realGuidanceScale: distil.guidance,
      shift: few.shift,
      generatorEvery: distil.generatorEvery,
    }),
  );
  await study.save('distilled', average.net);
}

/** The teacher's ODE trajectories for phase 1, into the study's store. */
export async function* makeTrajectories(study: StudyRun): Work {
  const { trajectories } = study.recipe;
  const store = await study.trajectories();
  const teacher = await study.load('teacher', wan);
  const strangers = store.records().filter((record) => record.teacher !== teacher.about.sha256).length;
  if (strangers > 0) {
    throw new Error(
      `${store.folder} holds ${strangers} trajectories of another teacher: delete the folder and start again`,
    );
  }
  const prompts = await promptSource()(study.key('trajectory-prompts'), trajectories.count);
  yield* sampleTeacher({ recipe: study.recipe, encodeText: study.encodeText }, teacher, {
    prompts,
    store,
    ...(study.signal && { signal: study.signal }),
  });
}

/** Phase 1. */
export async function* makeOde(study: StudyRun): Work {
  const { seed, ode } = study.recipe;
  const student = await study.load('distilled', wan);
  const average = study.average(student, ode.emaDecay);
  const data = await trajectorySource(await study.trajectories());
  const parts = await samplingParts(study);
  yield* study.train('ode', ode.steps, (run) => phase1(parts, student, data, { ...ode, ...run, seed, average }));
  await study.save('ode', average.net);
}

/** The training reward or its held-out judge: same data, another seed and another stem. */
export async function* makePreference(study: StudyRun, name: 'reward' | 'judge'): Work {
  const { seed, steps, batch } = study.recipe.judges[name];
  const config: SmallRewardConfig = { reward: SMALL_REWARD, judge: SECOND_JUDGE }[name];
  const net = study.own(smallRewardNet.init(config, random.key(seed).stream('weights')));
  yield* study.train(name, steps, (run) => preference({ ...run, seed, batch, reward: net }));
  const { scale, accuracy } = await validatePreferences(net.weights, config);
  const about = { mean: String(scale.mean), std: String(scale.std), accuracy: String(accuracy) };
  await study.save(name, net, about);
}

export async function* makeClassifier(study: StudyRun): Work {
  const { seed, steps, batch } = study.recipe.judges.classifier;
  const net = study.own(classifier.init(CLASSIFIER, random.key(seed).stream('weights')));
  yield* study.train('classifier', steps, (run) => trainClassifier({ ...run, seed, batch, classifier: net }));
  await study.save('classifier', net);
}

/** Phase 2, with the reward on the chosen frames. */
export async function* makeRewarded(study: StudyRun, name: ArtefactName, frames: SupervisedFrames): Work {
  const { seed, reward } = study.recipe;
  const student = await study.load('ode', wan);
  const average = study.average(student, reward.emaDecay);
  const judge = await loadReward(study.weights, 'reward');
  const parts = { ...(await samplingParts(study)), reward: judge };
  try {
    yield* study.train(name, reward.train.steps, (run) =>
      phase2(parts, student, { ...reward.train, ...run, seed, average, frames }),
    );
    await study.save(name, average.net, { frames });
  } finally {
    judge.dispose();
  }
}

async function samplingParts(study: StudyRun): Promise<SamplingParts> {
  return { recipe: study.recipe, vae: await study.load('vae', autoencoder), encodeText: study.encodeText };
}
