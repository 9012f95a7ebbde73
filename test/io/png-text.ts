const signatureBytes = 8;
const chunkOverhead = 12;

/** The iTXt texts of a PNG, by keyword. */
export function readPngText(png: Uint8Array): Map<string, string> {
  const texts = new Map<string, string>();
  for (let at = signatureBytes; at + chunkOverhead <= png.length; at += chunkOverhead + chunkLength(png, at)) {
    const type = Buffer.from(png.subarray(at + 4, at + 8)).toString('latin1');
    if (type !== 'iTXt') continue;
    const body = Buffer.from(png.subarray(at + 8, at + 8 + chunkLength(png, at)));
    const keywordEnd = body.indexOf(0);
    const languageEnd = body.indexOf(0, keywordEnd + 3);
    const translatedEnd = body.indexOf(0, languageEnd + 1);
    texts.set(body.toString('latin1', 0, keywordEnd), body.toString('utf8', translatedEnd + 1));
  }
  return texts;
}

function chunkLength(png: Uint8Array, at: number): number {
  return new DataView(png.buffer, png.byteOffset).getUint32(at);
}
