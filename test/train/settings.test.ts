/** A run folder is continued only under the settings, the nets and the environment that it was begun with. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { denoisingSteps } from '../../src/sampler/index.ts';
import type {
  BestOfNOptions,
  DistilOptions,
  LearnerOptions,
  OdeOptions,
  PolicyOptions,
  RewardTrainOptions,
  RunOptions,
  SelfForcingOptions,
  TeacherOptions,
  VaeTrainOptions,
} from '../../src/train/index.ts';
import {
  collect,
  type Given,
  given,
  logOf,
  redness,
  type StageName,
  stages,
  temporaryFolder,
  text,
  vaeNet,
  valuesOf,
  wanNet,
} from './small.ts';

beforeAll(async () => {
  await use('cpu');
});

/** Another value of an option and where the record differs by it; options that decide no number; functions. */
type Row<Options> = [path: string, change: (base: Given<Options>) => object] | 'decides nothing' | 'a function';

/** A new option without a row does not compile. */
type Rows<Options> = { [Name in keyof Required<Options>]: Row<Options> };

const runRows: Rows<RunOptions> = {
  steps: 'decides nothing',
  folder: 'decides nothing',
  saveEvery: 'decides nothing',
  keepLast: 'decides nothing',
  signal: 'decides nothing',
  probe: 'decides nothing',
  onWarning: 'decides nothing',
  seed: ['seed', () => ({ seed: 2 })],
  world: ['world.id', () => ({ world: { id: 'other', options: {} } })],
};

const learnerRows: Rows<LearnerOptions> = {
  lr: ['lr', () => ({ lr: 2e-2 })],
  betas: ['betas', () => ({ betas: [0.5, 0.999] })],
  eps: ['eps', () => ({ eps: 1e-6 })],
  weightDecay: ['weightDecay', () => ({ weightDecay: 0 })],
  clip: ['clip', () => ({ clip: null })],
  muon: ['muon', () => ({ muon: { momentum: 0.9 } })],
  trainable: ['trainable', () => ({ trainable: (name: string) => name.endsWith('weight') })],
};

const common = {
  average: ['average.decay', ({ average }) => ({ average: { ...average, decay: 0.5 } })],
  batch: ['batch', () => ({ batch: 3 })],
  text: ['text.id', () => ({ text: { ...text, id: 'other' } })],
} satisfies Partial<Rows<TeacherOptions>>;

const generating = {
  prompts: 'a function',
  batch: ['batch', () => ({ batch: 3 })],
  text: ['text.id', () => ({ text: { ...text, id: 'other' } })],
  latentShape: ['latentShape', () => ({ latentShape: [2, 2, 2, 2] })],
  schedule: ['schedule.sigmas', () => ({ schedule: denoisingSteps([1000, 700, 300], { shift: 5 }) })],
} satisfies Partial<Rows<DistilOptions>>;

const matching = {
  teacher: ['teacher.sha256', () => ({ teacher: wanNet('other') })],
  critic: ['critic: its weights', () => ({ critic: wanNet('other') })],
  criticLearner: [
    '(criticLearner.eps: 1e-8 there',
    () => ({ criticLearner: { lr: 3e-3, betas: [0, 0.999], clip: 1, eps: 1e-6 } }),
  ],
  realGuidanceScale: ['realGuidanceScale', () => ({ realGuidanceScale: 3 })],
  fakeGuidanceScale: ['fakeGuidanceScale', () => ({ fakeGuidanceScale: 2 })],
  unconditionalPrompt: ['unconditionalPrompt: "" there, "grey" here', () => ({ unconditionalPrompt: 'grey' })],
  shift: ['shift', () => ({ shift: 3 })],
  generatorEvery: ['generatorEvery', () => ({ generatorEvery: 3 })],
} satisfies Partial<Rows<DistilOptions>>;

const student: Row<object> = ['student: its weights', () => ({ student: wanNet('other') })];
const averageRow: Row<object> = ['average', () => ({ average: undefined })];

const exploring = {
  ...runRows,
  ...learnerRows,
  ...generating,
  student,
  average: averageRow,
  decoder: ['decoder.sha256', () => ({ decoder: vaeNet('other') })],
  judge: ['judge.info.std', ({ judge }) => ({ judge: { ...judge, info: { ...judge.info, std: 2 } } })],
  samples: ['samples', () => ({ samples: 4 })],
  sharedStart: ['sharedStart', () => ({ sharedStart: false })],
  rewardPrompts: 'a function',
} satisfies Partial<Rows<PolicyOptions>>;

const table: {
  vae: Rows<VaeTrainOptions>;
  teacher: Rows<TeacherOptions>;
  distil: Rows<DistilOptions>;
  ode: Rows<OdeOptions>;
  'self-forcing': Rows<SelfForcingOptions>;
  'best-of-n': Rows<BestOfNOptions>;
  policy: Rows<PolicyOptions>;
  reward: Rows<RewardTrainOptions>;
} = {
  vae: {
    ...runRows,
    ...learnerRows,
    vae: ['vae: its weights', () => ({ vae: vaeNet('other') })],
    average: ['average', ({ vae }) => ({ average: { net: vae.clone({ trainable: false }), decay: 0.5 } })],
    data: 'a function',
    batch: common.batch,
    loss: ['loss', () => ({ loss: 'l2' })],
    klWeight: ['klWeight', () => ({ klWeight: 0 })],
    pixelWeight: ['pixelWeight', () => ({ pixelWeight: { above: 0, weight: 2 } })],
    parts: ['parts: "all" there, "decoder" here', () => ({ parts: 'decoder' })],
  },
  teacher: {
    ...runRows,
    ...learnerRows,
    ...common,
    teacher: ['teacher: its weights', () => ({ teacher: wanNet('other') })],
    data: 'a function',
    sampling: ['sampling.std', ({ sampling }) => ({ sampling: { ...sampling, std: 2 } })],
    textDropout: ['textDropout', () => ({ textDropout: 0.5 })],
    unconditionalPrompt: matching.unconditionalPrompt,
  },
  distil: {
    ...runRows,
    ...generating,
    ...matching,
    generator: ['generator: its weights', () => ({ generator: wanNet('other') })],
    generatorLearner: ['generatorLearner.clip', () => ({ generatorLearner: { lr: 1e-2, betas: [0, 0.999] } })],
    average: ['average.start', ({ average }) => ({ average: { ...average, start: 3 } })],
  },
  ode: {
    ...runRows,
    ...learnerRows,
    ...common,
    student,
    data: 'a function',
    includeClean: ['includeClean', () => ({ includeClean: true })],
    average: ['average', ({ student: net }) => ({ average: { net: net.clone({ trainable: false }), decay: 0.5 } })],
  },
  'self-forcing': {
    ...runRows,
    ...generating,
    ...matching,
    student,
    exitSteps: ['exitSteps', () => ({ exitSteps: 'last' })],
    studentLearner: ['studentLearner.lr', () => ({ studentLearner: { lr: { lr: 1e-2, warmup: 3 } } })],
    average: ['average', ({ student: net }) => ({ average: { net: net.clone({ trainable: false }), decay: 0.5 } })],
    feedback: ['feedback.weight', ({ feedback }) => ({ feedback: { ...feedback, weight: 2 } })],
  },
  'best-of-n': { ...exploring, keep: ['keep', () => ({ keep: 1 })] },
  policy: {
    ...exploring,
    updates: ['updates', () => ({ updates: 1 })],
    clipRange: ['clipRange', () => ({ clipRange: 0.1 })],
    referenceModel: ['referenceModel.net.sha256', () => ({ referenceModel: { net: wanNet('other'), weight: 0.1 } })],
  },
  reward: {
    ...runRows,
    ...learnerRows,
    ...generating,
    student,
    average: averageRow,
    exitSteps: ['exitSteps', () => ({ exitSteps: 'per-block' })],
    decoder: ['decoder.sha256', () => ({ decoder: vaeNet('other') })],
    reward: ['reward.info.std', () => ({ reward: { ...redness, info: { ...redness.info, std: 2 } } })],
    frames: ['frames: "last" there, "first" here', () => ({ frames: 'first' })],
    loss: ['loss.weight: 1 there, 0.5 here', () => ({ loss: { form: 'negative', weight: 0.5 } })],
    rewardPrompts: 'a function',
  },
};

/** Knobs inside of options, by stage. */
const inner: { [Name in StageName]?: [path: string, change: object][] } = {
  teacher: [
    ['lr: 0.01 there, {"lr":0.01,"warmup":5} here', { lr: { lr: 1e-2, warmup: 5 } }],
    ['sampling.shift', { sampling: { kind: 'logit-normal', shift: 2 } }],
    ['sampling.mean', { sampling: { kind: 'logit-normal', shift: 3, mean: 1 } }],
    ['sampling.kind', { sampling: { kind: 'uniform', shift: 3 } }],
    ['teacher.config.eps', { teacher: wanNetLater({ eps: 1e-3 }) }],
  ],
  ode: [['student.config.local_attn_size', { student: wanNetLater({ local_attn_size: 2 }) }]],
  policy: [['referenceModel.weight', { referenceModel: { net: wanNetLater({}), weight: 1 } }]],
  reward: [
    ['loss.form', { loss: { form: 'refl' } }],
    ['reward.info.id', { reward: { ...redness, info: { ...redness.info, id: 'other' } } }],
  ],
};

/** A net that is made when the engine is there. */
function wanNetLater(change: object): () => unknown {
  return () => wanNet().with(change);
}

/** Values with their late nets made. */
function made(value: unknown): unknown {
  if (typeof value === 'function' && value.length === 0) return (value as () => unknown)();
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  if ('info' in value) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, made(item)]));
}

const base = { seed: 1, steps: 1, world: { id: 'test', options: {} } };

async function begun(name: StageName): Promise<string> {
  const folder = await temporaryFolder();
  const stage = stages[name]();
  await collect(stage.run({ ...base, folder }));
  stage.dispose();
  return folder;
}

/** Goes on in a folder under changed options; the nets are made anew, from the same start. */
async function goOn(name: StageName, folder: string, change: object): Promise<unknown> {
  const stage = stages[name](change);
  return collect(stage.run({ ...base, folder, ...change })).finally(() => stage.dispose());
}

describe.each(Object.keys(table) as StageName[])('stage %s', (name) => {
  const rows = Object.entries(table[name] as Record<string, Row<object>>);

  test('goes on under the same settings', async () => {
    const folder = await begun(name);
    expect(await goOn(name, folder, { steps: 2 })).toHaveLength(1);
    expect(await logOf(folder)).toHaveLength(2);
  });

  test('refuses a folder that was begun with another value of any knob, and names it', async () => {
    const folder = await begun(name);
    const options = { ...base, ...given[name]() };
    for (const [knob, row] of rows) {
      if (typeof row === 'string') continue;
      const [path, change] = row;
      await expect(goOn(name, folder, change(options as never)), knob).rejects.toThrow(path);
    }
    for (const [path, change] of inner[name] ?? []) {
      await expect(goOn(name, folder, made(change) as object), path).rejects.toThrow(path);
    }
    expect(await logOf(folder)).toHaveLength(1);
  });

  test('goes on under other values of what decides no number', async () => {
    const folder = await begun(name);
    const change = { saveEvery: 7, keepLast: 1, signal: new AbortController().signal, onWarning: () => undefined };
    expect(await goOn(name, folder, { ...change, steps: 2 })).toHaveLength(1);
  });

  test('records every option, and nothing that no row knows', async () => {
    const recorded = JSON.parse(await readFile(join(await begun(name), 'config.json'), 'utf8')) as object;
    const known = rows.filter(([, row]) => row !== 'decides nothing' && row !== 'a function').map(([knob]) => knob);
    expect(Object.keys(recorded).sort()).toEqual([...known, 'environment', 'format', 'stage', 'starts'].sort());
  });
});

describe('the environment', () => {
  const changed = async (change: (config: { environment: Record<string, unknown> }) => void): Promise<string> => {
    const folder = await begun('teacher');
    const path = join(folder, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as Parameters<typeof change>[0];
    change(config);
    await writeFile(path, JSON.stringify(config));
    return folder;
  };

  test('is the same: engine, threads, versions', async () => {
    const threads = await changed(({ environment }) => {
      environment['threads'] = 7;
    });
    await expect(goOn('teacher', threads, {})).rejects.toThrow(/environment\.threads: 7 there, \d+ here/);
    const versions = await changed(({ environment }) => {
      environment['versions'] = { ...(environment['versions'] as object), tfjs: '1.0.0' };
    });
    await expect(goOn('teacher', versions, {})).rejects.toThrow(/environment\.versions\.tfjs: "1\.0\.0" there/);
  });

  test('of another engine is refused', async () => {
    const folder = await begun('teacher');
    await use('onnx');
    await expect(goOn('teacher', folder, {})).rejects.toThrow('environment.engine: "cpu" there, "onnx" here');
    await use('cpu');
  });

  test('was not recorded by version 0.1, whose folders are refused', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'config.json'), '{"stage":"teacher","seed":1,"lr":0.01}\n');
    await expect(goOn('teacher', folder, {})).rejects.toThrow(/holds a run of version 0\.1, .* give another folder/);
  });
});

describe('trained weights', () => {
  test('may be those of the checkpoint: a cell that is run again goes on', async () => {
    const folder = await temporaryFolder();
    const stage = stages.teacher();
    await collect(stage.run({ ...base, folder }));
    expect(await collect(stage.run({ ...base, folder, steps: 3 }))).toHaveLength(2);
    stage.dispose();
  });

  test('that are neither the start nor the checkpoint are refused, and stay as they are', async () => {
    const folder = await begun('teacher');
    const other = wanNet('other');
    const before = await other.checksum();
    const run = stages.teacher({ teacher: other }).run({ ...base, folder, steps: 2 });
    await expect(collect(run)).rejects.toThrow(
      /teacher: its weights \([0-9a-f]{12}…\) are not those of the run in .*, which started from [0-9a-f]{12}… and has saved/,
    );
    expect(await other.checksum()).toBe(before);
  });

  test('the frozen rest must be the same', async () => {
    const folder = await temporaryFolder();
    const trainable = (name: string): boolean => name.startsWith('blocks.');
    await collect(stages.teacher({ trainable }).run({ ...base, folder }));
    const other = wanNet();
    other.weights.variable('head.head.bias').assign(other.weights.get('head.head.bias').add(1));
    const run = stages.teacher({ trainable, teacher: other }).run({ ...base, folder, steps: 2 });
    await expect(collect(run)).rejects.toThrow('teacher.frozen');
  });

  test('cannot stand in for a frozen network', async () => {
    const critic = wanNet();
    const shared = stages.distil({ critic, teacher: critic }).run({ ...base });
    await expect(collect(shared)).rejects.toThrow(/teacher: its weights are those of critic, .* teacher\.clone\(\)/);
    const student = wanNet();
    const near = stages.policy({ student, average: undefined, referenceModel: { net: student, weight: 1 } });
    await expect(collect(near.run({ ...base }))).rejects.toThrow(
      'referenceModel.net: its weights are those of student',
    );
    const average = { net: student, decay: 0.9 };
    await expect(collect(stages.policy({ student, average }).run({ ...base }))).rejects.toThrow('average.net: wanted');
  });
});

describe('refused before the first step, by name', () => {
  const bad: [StageName, object, RegExp][] = [
    ...[0, -8, 400_000, 1.5, Number.NaN, undefined].map((batch): [StageName, object, RegExp] => [
      'teacher',
      { batch },
      new RegExp(`^batch: wanted a whole number in 1\\.\\.65536, received ${batch}$`),
    ]),
    ...[Number.NaN, -1, Number.POSITIVE_INFINITY, undefined, null, '1e-3'].map((lr): [StageName, object, RegExp] => [
      'ode',
      { lr },
      /^lr: wanted a finite number from 0, received /,
    ]),
    ['ode', { lr: { lr: Number.NaN } }, /^lr\.lr: wanted a finite number/],
    ['ode', { lr: { lr: 1, warmup: -1 } }, /^lr\.warmup: wanted a whole number from 0, received -1/],
    ['teacher', { betas: [0.9, 1] }, /^betas\[1\]: wanted a finite number from 0 below 1, received 1/],
    ['teacher', { betas: [0.9] }, /^betas: wanted two numbers/],
    ['teacher', { eps: Number.NaN }, /^eps: /],
    ['teacher', { clip: 0 }, /^clip: wanted a finite number above 0, received 0/],
    ['teacher', { weightDecay: -1 }, /^weightDecay: /],
    ['teacher', { steps: 0 }, /^steps: wanted a whole number from 1, received 0/],
    ['teacher', { steps: Number.NaN }, /^steps: /],
    ['teacher', { seed: 1.5 }, /^seed: /],
    ['teacher', { saveEvery: 0 }, /^saveEvery: /],
    ['teacher', { data: undefined }, /^data: wanted a function .*, received undefined/],
    ['teacher', { text: undefined }, /^text: wanted a text encoder/],
    ['teacher', { teacher: undefined }, /^teacher: wanted a net, .*, received undefined/],
    ['teacher', { textDropout: 2 }, /^textDropout: /],
    [
      'teacher',
      { sampling: { kind: 'normal' } },
      /^sampling\.kind: wanted "uniform" or "logit-normal", received "normal"/,
    ],
    ['teacher', { trainable: () => false }, /^trainable: wanted at least one weight/],
    ['teacher', { average: { decay: 0.9 } }, /^average\.net: wanted a net/],
    ['distil', { generatorLearner: undefined }, /^generatorLearner: wanted/],
    ['distil', { criticLearner: { lr: Number.NaN } }, /^criticLearner\.lr: /],
    ['distil', { generatorEvery: 0 }, /^generatorEvery: /],
    ['distil', { schedule: undefined }, /^schedule: wanted a schedule/],
    ['distil', { latentShape: [0, 2, 2, 2] }, /^latentShape: wanted/],
    ['distil', { realGuidanceScale: Number.NaN }, /^realGuidanceScale: /],
    ['vae', { klWeight: Number.NaN }, /^klWeight: /],
    ['vae', { loss: 'l3' }, /^loss: wanted/],
    ['reward', { exitSteps: 'first' }, /^exitSteps: wanted/],
    ['reward', { decoder: undefined }, /^decoder: wanted a net/],
    ['reward', { reward: undefined }, /^reward: wanted a reward/],
    ['reward', { loss: { form: 'negative', weight: Number.NaN } }, /^loss\.weight: /],
    ['reward', { prompts: undefined }, /^prompts: wanted a function/],
    ['policy', { clipRange: 0 }, /^clipRange: /],
    ['policy', { updates: 0 }, /^updates: /],
    ['best-of-n', { keep: 3 }, /^keep: wanted a whole number in 1\.\.2, received 3/],
    ['self-forcing', { feedback: { decoder: null, reward: redness, weight: 1 } }, /^feedback\.decoder: wanted a net/],
  ];

  test.each(bad)('%s with %j', async (name, change, message) => {
    const stage = stages[name](change);
    const before = await valuesOf(stage.trained);
    await expect(collect(stage.run({ ...base, ...change }))).rejects.toThrow(message);
    expect(await valuesOf(stage.trained)).toEqual(before);
  });
});
