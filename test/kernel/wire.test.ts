import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toCharacters, toUtf16 } from '../../kernel/protocol/cursor.ts';
import { createHeader, type Message, parse, Signer, serialize, WireError } from '../../kernel/protocol/wire.ts';

const signer = new Signer('secret');

function message(content: Message['content'], buffers: Uint8Array[] = []): Message {
  return {
    identities: [Buffer.from('client')],
    header: createHeader('session', 'execute_request'),
    parent: {},
    metadata: {},
    content,
    buffers,
  };
}

function frames(of: Message): Buffer[] {
  return serialize(of, signer).map((frame) => Buffer.from(frame));
}

describe('wire format', () => {
  test('a message survives the round trip with identities, text of any script and buffers', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.uint8Array(), (code, bytes) => {
        const sent = message({ code }, [bytes]);
        const received = parse(frames(sent), signer);
        expect(received.content).toEqual({ code });
        expect(received.header).toEqual(sent.header);
        expect(received.identities[0]?.toString()).toBe('client');
        expect(Buffer.from(received.buffers[0] ?? []).equals(Buffer.from(bytes))).toBe(true);
      }),
    );
  });

  test('a changed byte in any signed part is refused', () => {
    const good = frames(message({ code: '1' }));
    for (const part of [2, 3, 4, 5, 6]) {
      const bad = good.map((frame) => Buffer.from(frame));
      const frame = bad[part] as Buffer;
      frame[frame.length - 1] = (frame[frame.length - 1] ?? 0) ^ 1;
      expect(() => parse(bad, signer)).toThrow(WireError);
    }
  });

  test('another key, a missing delimiter, too few parts and broken JSON are refused', () => {
    const good = frames(message({}));
    expect(() => parse(good, new Signer('other'))).toThrow('wrong signature');
    expect(() => parse(good.slice(3), signer)).toThrow('delimiter');
    expect(() => parse(good.slice(0, 5), signer)).toThrow('4 parts');
    const open = new Signer('');
    expect(() => parse([good[1] as Buffer, ...['', '{', '{}', '{}', '{}'].map((s) => Buffer.from(s))], open)).toThrow(
      'not JSON',
    );
    expect(() => parse([good[1] as Buffer, ...['', '[]', '{}', '{}', '{}'].map((s) => Buffer.from(s))], open)).toThrow(
      'object',
    );
  });

  test('random frames only ever end in a WireError', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 10 }), (random) => {
        expect(() =>
          parse(
            random.map((frame) => Buffer.from(frame)),
            signer,
          ),
        ).toThrow(WireError);
      }),
    );
  });

  test('an unknown signature scheme says what is wanted', () => {
    expect(() => new Signer('key', 'md5')).toThrow('hmac-sha256');
  });
});

test('cursor positions count characters where JavaScript counts UTF-16 units', () => {
  expect(toUtf16('a😀b', 2)).toBe(3);
  expect(toCharacters('a😀b', 3)).toBe(2);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, n) => {
      const characters = Math.min(n, [...text].length);
      expect(toCharacters(text, toUtf16(text, characters))).toBe(characters);
    }),
  );
});
