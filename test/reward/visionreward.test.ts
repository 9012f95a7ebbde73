import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { createClip } from '../../src/io/index.ts';
import { readVisionRewardQuestions, type VisionRewardOptions, visionReward } from '../../src/reward/index.ts';
import { checklistScore, secondFrames, visionRewardWeights } from '../../src/reward/visionreward.ts';

interface Asked {
  path: string;
  authorization: string | undefined;
  images: number;
  text: string;
  body: Record<string, unknown>;
}

const questions = visionRewardWeights.map((_, i) => `${i}: [[prompt]]?`);
const clip = createClip(new Float32Array(9 * 4 * 6 * 3).fill(0.5), { frames: 9, height: 4, width: 6, fps: 4 });
let server: Server | undefined;

beforeAll(() => use('onnx'));

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A chat server that answers each question as told. */
async function serve(answer: (text: string) => { status?: number; reply: unknown } | null) {
  const asked: Asked[] = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      const [{ content }] = body['messages'] as [{ content: { type: string; text?: string }[] }];
      const text = content.find(({ type }) => type === 'text')!.text!;
      const images = content.filter(({ type }) => type === 'image_url').length;
      asked.push({ path: request.url!, authorization: request.headers.authorization, images, text, body });
      const said = answer(text);
      if (said === null) return; // never answers
      response.writeHead(said.status ?? 200).end(JSON.stringify(said.reply));
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return { asked, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/` };
}

function says(content: string): { reply: unknown } {
  return { reply: { choices: [{ message: { role: 'assistant', content } }] } };
}

test('the weights sum to the published range', () => {
  expect(visionRewardWeights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(6.277173, 4);
  const all = (answer: number): number => checklistScore(visionRewardWeights.map(() => answer));
  expect([all(1), all(-1), all(0.6)]).toBeAllClose([0.216454, -0.216454, 0.129873], { atol: 1e-6 });
  expect(() => checklistScore([1])).toThrow('29 questions');
});

test('every question is asked once with the prompt and a frame for each second', async () => {
  const { asked, endpoint } = await serve((text) => says(text.startsWith('2:') ? ' Yes' : 'no'));
  const reward = visionReward({ endpoint, model: 'judge', questions, apiKey: 'secret', parallel: 3 });
  const answers = await reward.answers(clip, 'a $& fox');
  expect(answers).toEqual(questions.map((_, i) => (i === 2 ? 1 : -1)));
  expect(checklistScore(answers)).toBeCloseTo((2 * 1.141819 - 6.277173) / 29, 6);
  expect(asked.map(({ text }) => text).sort()).toEqual(
    questions.map((question) => question.replace('[[prompt]]', () => 'a $& fox')).sort(),
  );
  expect(asked[0]).toMatchObject({ path: '/v1/chat/completions', authorization: 'Bearer secret', images: 3 });
  expect(asked[0]!.body).toMatchObject({ model: 'judge', temperature: 0, max_tokens: 1 });
});

test('the reward says that it is external and has no gradient', () => {
  const { info } = visionReward({ endpoint: 'http://localhost/v1', model: 'judge', questions });
  expect(info).toMatchObject({
    kind: 'clip',
    differentiable: false,
    external: { endpoint: 'http://localhost/v1', model: 'judge' },
  });
});

test('clips of a batch are judged one after the other, at the frames a second that were told', async () => {
  const { asked, endpoint } = await serve((text) => says(text.includes('fox') ? 'yes' : 'no'));
  const judge = visionReward({ endpoint, model: 'judge', questions, fps: 4 });
  const scores = await judge.score(tf.fill([2, 9, 4, 6, 3], 0.5), ['fox', 'snow']);
  expect(scores).toBeAllClose([0.216454, -0.216454], { atol: 1e-5 });
  expect(asked.map(({ images }) => images)).toEqual(new Array(2 * questions.length).fill(3));
  const dark = createClip(
    clip.data.map((x) => -x),
    clip,
  );
  await expect(judge.answers(dark, 'fox')).rejects.toThrow('[0, 1]');
});

test("what the server is shown and asked is part of the judge's settings", () => {
  const settings = (options: Partial<VisionRewardOptions>) =>
    visionReward({ endpoint: 'http://localhost/v1', model: 'judge', questions, ...options }).info.settings;
  const changed: Partial<VisionRewardOptions>[] = [
    { fps: 8 },
    { answers: 'soft' },
    { questions: [...questions.slice(1), 'other?'] },
  ];
  for (const options of changed) expect(settings(options)).not.toEqual(settings({}));
});

test('frames are those nearest to full seconds, at most 24', () => {
  expect(secondFrames({ frames: 81, fps: 16 })).toEqual([0, 16, 32, 48, 64, 80]);
  expect(secondFrames({ frames: 5, fps: 2 })).toEqual([0, 2, 4]);
  expect(secondFrames({ frames: 4, fps: 0.4 }).every((index) => index < 4)).toBe(true);
  expect(secondFrames({ frames: 1, fps: 16 })).toEqual([0]);
  expect(secondFrames({ frames: 1000, fps: 10 })).toHaveLength(24);
});

test('a failing server is an error, never a score', async () => {
  const broken = await serve(() => ({ status: 503, reply: 'model is loading' }));
  const options = { model: 'judge', questions, retries: 0 };
  await expect(visionReward({ ...options, endpoint: broken.endpoint }).answers(clip, 'fox')).rejects.toThrow('503');
  server!.close();
  await expect(visionReward({ ...options, endpoint: broken.endpoint }).answers(clip, 'fox')).rejects.toThrow(
    /chat\/completions cannot be reached: .*ECONNREFUSED/,
  );
  const strange = await serve(() => ({ reply: { choices: [] } }));
  await expect(visionReward({ ...options, endpoint: strange.endpoint }).answers(clip, 'fox')).rejects.toThrow(
    'choices',
  );
});

test('a busy server is asked again, a refusal is not repeated', async () => {
  const failed = new Set<string>();
  const { asked, endpoint } = await serve((text) => {
    if (!text.startsWith('3:') || failed.size === 2) return says('Yes.');
    failed.add(String(failed.size));
    return { status: 503, reply: 'busy' };
  });
  const options = { endpoint, model: 'judge', questions };
  expect(checklistScore(await visionReward(options).answers(clip, 'fox'))).toBeCloseTo(0.216454, 5);
  expect(asked).toHaveLength(questions.length + 2);
  server!.close();
  const strict = await serve(() => ({ status: 401, reply: 'no key' }));
  const refused = visionReward({ ...options, endpoint: strict.endpoint, parallel: 1 }).answers(clip, 'fox');
  await expect(refused).rejects.toThrow(/401: "no key"$/);
  expect(strict.asked).toHaveLength(1);
});

test('a question that is not answered in time ends the rating, and so does the caller', async () => {
  const { asked, endpoint } = await serve((text) => (text.startsWith('1:') ? null : says('yes')));
  const options = { endpoint, model: 'judge', questions };
  const slow = visionReward({ ...options, timeoutSeconds: 0.2 }).answers(clip, 'fox');
  await expect(slow).rejects.toThrow('no answer within 0.2 s');
  expect(asked).toHaveLength(4);
  const stopped = visionReward(options).answers(clip, 'fox', AbortSignal.timeout(100));
  await expect(stopped).rejects.toThrow(/timeout|aborted/);
});

test('soft answers are read from the likelihood of yes and no', async () => {
  const likely = (chances: Record<string, number>) => {
    const top_logprobs = Object.entries(chances).map(([token, chance]) => ({ token, logprob: Math.log(chance) }));
    return { reply: { choices: [{ message: { content: 'x' }, logprobs: { content: [{ top_logprobs }] } }] } };
  };
  let chances: Record<string, number> = { Yes: 0.5, ' yes': 0.3, no: 0.2 };
  const { asked, endpoint } = await serve(() => likely(chances));
  const reward = visionReward({ endpoint, model: 'judge', questions, answers: 'soft' });
  expect(reward.info.id).toBe('soft-checklist');
  expect(checklistScore(await reward.answers(clip, 'fox'))).toBeCloseTo(0.129873, 5); // p = .8 for every question
  expect(asked[0]!.body).toMatchObject({ logprobs: true, top_logprobs: 20, max_tokens: 1 });
  chances = { no: 0.9, perhaps: 0.1 };
  const answers = await reward.answers(clip, 'fox');
  expect(answers[0]).toBeCloseTo(-0.8, 6); // yes is at most as likely as "perhaps"
  chances = { perhaps: 1 };
  await expect(reward.answers(clip, 'fox')).rejects.toThrow("answers: 'hard'");
});

test('other questions are refused', async () => {
  expect(() => visionReward({ endpoint: '', model: '', questions: ['one?'] })).toThrow('wanted 29');
  await expect(readVisionRewardQuestions(fileURLToPath(import.meta.url))).rejects.toThrow('SHA-256');
});
