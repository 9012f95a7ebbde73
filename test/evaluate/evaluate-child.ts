/** Evaluates a folder of videos on tiny networks, slowly enough to be killed on the way: VIDEOS WEIGHTS JOURNAL. */
import { setTimeout as sleep } from 'node:timers/promises';
import { use } from '../../src/engine/index.ts';
import { evaluateVideos, listVideos, officialMeasures } from '../../src/evaluate/index.ts';
import { tinyConfigs } from './tiny-networks.ts';

const [folder, weights, journal] = process.argv.slice(2) as [string, string, string];
await use('cpu');
const groups = await officialMeasures(weights, {
  configs: tinyConfigs,
  dimensions: ['subject_consistency', 'background_consistency'],
});
for await (const _ of evaluateVideos({ folder, videos: await listVideos(folder), groups, journal })) await sleep(30);
