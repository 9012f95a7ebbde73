/** The stages of the small scale, each from what the earlier ones left in the study to one file of weights. */
import { frameScores } from '../../evaluate/internal.ts';
import { vae as vaeArchitecture, wan } from '../../model/internal.ts';
import { random } from '../../nn/index.ts';
import type { FrameChoice, Reward } from '../../reward/index.ts';
import { meanAndStd } from '../../reward/internal.ts';
import { generateClips, type VideoModel } from '../../sampler/index.ts';
import * as train from '../../train/index.ts';
import {
  type LatentBank,
  latentSource,
  promptSource,
  stacked,
  stillSource,
  type WorldJudge,
} from '../../world/index.ts';
import { encodeClips, trainingClips } from '../../world/internal.ts';
import type { Work } from '../networks/place.ts';
import { clipLatentShape, phase1Settings, phase2Settings, studentSchedule, videoModel } from '../networks/settings.ts';
import type { StudyRun } from './study-run.ts';
import { sampleTeacher, trajectorySource } from './trajectories.ts';

/** Clips that the latents' mean and deviation are measured on, in batches of 16. */
const STATISTICS_BATCHES = 16;
/** Updates of phase 2 between two looks at the same prompts, and their number. */
const [PROBE_EVERY, PROBED_PROMPTS] = [20, 16];

export async function* makeVae(study: StudyRun): Work {
  const { recipe, world } = study;
  const { seed, vae } = recipe;
  const net = study.own(vaeArchitecture.init(vae.config, study.key('vae')));
  for (const [i, phase] of vae.phases.entries()) {
    yield* study.train(`vae-${i + 1}`, phase.steps, (run) =>
      train.vae({
        ...phase,
        ...run,
        seed: seed + i,
        vae: net,
        data: world.autoencoderSource(seed),
        klWeight: vae.klWeight,
        ...(vae.pixelWeight && { pixelWeight: vae.pixelWeight }),
      }),
    );
  }
  const clips = Array.from({ length: STATISTICS_BATCHES }, (_, i) =>
    stacked(trainingClips(world, seed, 16 * i, 16).map(({ clip }) => clip)),
  );
  const { mean, std } = await train.latentStatistics(net, clips);
  await study.save('vae', net.with({ latents_mean: mean, latents_std: std }));
}

/** Flow matching on the latents of real clips, after single frames of them where the recipe says so. */
export async function* makeTeacher(study: StudyRun): Work {
  const { text, recipe } = study;
  const { config, stills, sampling, emaDecay } = recipe.teacher;
  const bank = yield* encoded(study);
  const net = study.own(wan.init(config, study.key('teacher')));
  const shared = { teacher: net, text, sampling, seed: recipe.seed };
  if (stills) {
    yield* study.train('teacher-stills', stills.steps, (run) =>
      train.teacher({ ...stills, ...run, ...shared, data: stillSource(bank) }),
    );
  }
  const average = study.average(net, emaDecay);
  const { train: clips } = recipe.teacher;
  yield* study.train('teacher', clips.steps, (run) =>
    train.teacher({ ...clips, ...run, ...shared, average, data: latentSource(bank) }),
  );
  await study.save('teacher', average.net);
}

async function* encoded(study: StudyRun): Work<LatentBank> {
  const { recipe, world, folder } = study;
  const vae = await study.load('vae', vaeArchitecture);
  const encoding = encodeClips(world, vae, { seed: recipe.seed, count: recipe.latents, folder });
  for (;;) {
    const { done, value } = await encoding.next();
    if (done) return value;
    study.signal?.throwIfAborted();
    yield { stage: 'latents', done: value, total: recipe.latents, values: {} };
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
      prompts: promptSource(study.world),
      text: study.text,
      latentShape: clipLatentShape(study),
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
  const prompts = await promptSource(study.world)(study.key('trajectory-prompts'), trajectories.count);
  yield* sampleTeacher(study, teacher, { prompts, store, ...(study.signal && { signal: study.signal }) });
}

/** Phase 1: the causal student regresses onto the teacher's trajectories. */
export async function* makeOde(study: StudyRun): Work {
  const { ode } = study.recipe;
  const student = await study.load('distilled', wan);
  const average = study.average(student, ode.emaDecay);
  const data = await trajectorySource(await study.trajectories());
  yield* study.train('ode', ode.steps, (run) =>
    train.ode({
      ...phase1Settings(study),
      ...run,
      student,
      data,
      average,
    }),
  );
  await study.save('ode', average.net);
}

/** A judge of the world, with what unseen examples say of it. */
export async function* makeJudge(study: StudyRun, judge: WorldJudge): Work {
  const { id, config, architecture } = judge;
  const training = study.recipe.judges[id] ?? judge.training;
  const net = study.own(architecture.init(config, random.key(training.seed).stream('weights')));
  yield* study.train(id, training.steps, (run) => judge.train(net, { ...training, ...run }));
  await study.save(id, net, await judge.validate?.(net));
}

/** Phase 2: the student paints from its own past, with the reward on the chosen frames. */
export async function* makeRewarded(study: StudyRun, name: string, frames: FrameChoice): Work {
  const { reward: phase } = study.recipe;
  const student = await study.load('ode', wan);
  const average = study.average(student, phase.emaDecay);
  const parts = { recipe: study.recipe, world: study.world, text: study.text };
  const vae = await study.load('vae', vaeArchitecture);
  const reward = await study.loadReward();
  const judge = await study.loadJudge('judge');
  const probe = onFixedPrompts(study, videoModel({ ...parts, vae }, student, 'student'), {
    fixedReward: reward,
    ...(judge && { fixedJudge: judge }),
  });
  yield* study.train(name, phase.train.steps, (run) =>
    train.reward({
      ...phase2Settings({ ...parts, vae, reward }),
      ...run,
      student,
      frames,
      average,
      probe,
    }),
  );
  await study.save(name, average.net, { frames: String(frames) });
}

/** Mean scores of last frames for the same prompts from the same noise, whatever a step trains on. */
function onFixedPrompts(
  { world, recipe }: StudyRun,
  model: VideoModel,
  judges: Readonly<Record<string, Reward>>,
): train.Probe {
  const prompts = world.prompts('all', Math.min(PROBED_PROMPTS, world.prompts('all').length));
  const key = random.key(recipe.seed).stream('probe');
  return {
    every: PROBE_EVERY,
    measure: async () => {
      const clips = await generateClips(model, { prompts, key });
      const means: Record<string, number> = {};
      for (const [name, judge] of Object.entries(judges)) {
        means[name] = meanAndStd(await frameScores(clips, prompts, judge, -1)).mean;
      }
      return means;
    },
  };
}
