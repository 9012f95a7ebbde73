import sharp from 'sharp';
import { escapeHtml } from '../display/index.ts';
import type { Clip, VideoCodec } from '../io/index.ts';
import { encodeVideo, enlargement, frameImage } from '../io/internal.ts';
import { dataUri, type Figure, type FigureOptions, figure } from './figure.ts';
import { type Clips, frames, titled } from './frames.ts';
import { ink, sans } from './theme.ts';

export interface ClipOptions extends FigureOptions {
  /** `auto` is H.264 where ffmpeg is found, else animated WebP. @defaultValue 'auto' */
  codec?: VideoCodec | 'auto';
  /** Whole factor by which pixels are repeated. @defaultValue what brings small frames to about 256 pixels */
  enlarge?: number;
  /** Whether the videos start by themselves, muted and over and over. @defaultValue true */
  autoplay?: boolean;
}

/**
 * Videos side by side, playing in a loop; where nothing moves (PNG, terminals) the first, middle and last frames.
 *
 * @example clip({ teacher: teacherClip, student: studentClip })
 */
export function clip(clips: Clips, options: ClipOptions = {}): Figure {
  const rows = titled(clips);
  if (rows.length === 0) throw new RangeError('clips: none given; give a clip, or an object of clips by title');
  const sizes = rows.map(([name, { frames: count, fps }]) => `${name || 'clip'}, ${count} frames at ${round(fps)} fps`);
  return figure(options, {
    text: sizes.join('; '),
    png: () => frames(clips, { ...options, count: 3, width: 360 }).toPng(),
    html: async () => {
      const players = await Promise.all(rows.map(([name, each]) => player(name, each, options)));
      return grid(options.title, players);
    },
    rich: true,
  });
}

function round(value: number): number {
  return Math.round(100 * value) / 100;
}

function grid(title: string | undefined, players: readonly string[]): string {
  const heading = title ? `<div style="font-weight:600;margin-bottom:6px">${escapeHtml(title)}</div>` : '';
  const row = `<div style="display:flex;flex-wrap:wrap;gap:12px">${players.join('')}</div>`;
  return `<div style="font-family:${escapeHtml(sans)};color:${ink.text}">${heading}${row}</div>`;
}

async function player(
  name: string,
  source: Clip,
  { codec = 'auto', autoplay = true, enlarge = enlargement(source), provenance = {} }: ClipOptions,
): Promise<string> {
  const video = await encodeVideo(source, { codec, provenance, enlarge });
  const uri = dataUri(video.bytes, video.mime);
  const style = 'display:block;max-width:100%;height:auto;border-radius:4px';
  const size = `width="${video.width}" height="${video.height}" style="${style}"`;
  const play = autoplay ? 'autoplay muted loop playsinline controls' : 'muted loop playsinline controls';
  const isVideo = video.mime === 'video/mp4';
  const body = isVideo
    ? `<video src="${uri}" poster="${await poster(source, enlarge)}" ${size} ${play}></video>`
    : `<img src="${uri}" ${size} alt="${escapeHtml(name || 'animated clip')}">`;
  const caption = name ? `<figcaption style="margin-top:4px;font-size:13px">${escapeHtml(name)}</figcaption>` : '';
  return `<figure style="margin:0;max-width:${video.width}px" data-codec="${video.codec}" data-encoder="${video.encoder}">${body}${caption}</figure>`;
}

/** The first frame, for the time before the video plays and for where it cannot. */
async function poster(clip: Clip, enlarge: number): Promise<string> {
  const { data, height, width } = frameImage(clip, 0, enlarge);
  const picture = sharp(data, { raw: { width, height, channels: 3 } });
  return dataUri(await picture.webp({ quality: 85 }).toBuffer(), 'image/webp');
}
