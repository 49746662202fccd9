// Sound files: 16 bit PCM, one channel.

const RATE = 8000;

/** `seconds` of a sine at `frequency` Hz. */
export function toneWav(frequency, seconds) {
  const count = RATE * seconds;
  const file = Buffer.alloc(44 + count * 2);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + count * 2, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(RATE * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(count * 2, 40);
  for (let at = 0; at < count; at += 1) file.writeInt16LE(Math.round(10000 * Math.sin((2 * Math.PI * frequency * at) / RATE)), 44 + at * 2);
  return file;
}

/** The same, with every other second silent. */
export function burstsWav(frequency, seconds) {
  const file = toneWav(frequency, seconds);
  for (let second = 1; second < seconds; second += 2) file.fill(0, 44 + second * RATE * 2, 44 + (second + 1) * RATE * 2);
  return file;
}

/** Samples and length of a file with one channel of 16 bit PCM. */
export function readWav(file) {
  const rate = file.readUInt32LE(24);
  const data = file.subarray(file.indexOf('data') + 8);
  const samples = Float64Array.from({ length: data.length >> 1 }, (_, at) => data.readInt16LE(at * 2));
  return { rate, samples, seconds: samples.length / rate };
}

/** How much of a tone there is in the last second before the silence at the end, by a Goertzel filter: a power. */
export function loudness({ rate, samples }, frequency) {
  let end = samples.length;
  while (end > 0 && Math.abs(samples[end - 1]) < 100) end -= 1;
  const part = samples.subarray(Math.max(0, end - Math.round(rate * 1.2)), Math.max(0, end - Math.round(rate * 0.2)));
  const factor = 2 * Math.cos((2 * Math.PI * frequency) / rate);
  let [one, two] = [0, 0];
  for (const sample of part) [one, two] = [sample + factor * one - two, one];
  return one * one + two * two - factor * one * two;
}

/** The loudest tone in Hz, by filters 5 Hz apart. */
export function loudest(wav) {
  let best = { frequency: 0, power: 0 };
  for (let frequency = 100; frequency < 3500; frequency += 5) {
    const power = loudness(wav, frequency);
    if (power > best.power) best = { frequency, power };
  }
  return best.frequency;
}
