export {
  type ViclipConfig,
  viclip,
  viclipPresets,
  viclipShapes,
  viclipTextFeatures,
  viclipVideoFeatures,
} from './viclip.ts';
