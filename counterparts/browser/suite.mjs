// The vendor's browser SDKs, unmodified, in a headless Chromium against a running Switchboard. Every
// microphone hums a tone of its own, so that each test can say who hears whom.
//
// ONLY names the parts to run, joined by commas; ROUNDS is how often four devices race; SDKS and
// TESTS, when set, leave the other versions and tests out. See
// xtask/src/counterparts.rs for the environment and the output.

import { finish, inLanes, sdks } from './stage.mjs';
import { calls } from './calls.mjs';
import { drops, silence } from './drops.mjs';
import { late } from './late.mjs';
import { race } from './race.mjs';
import { revocation, tokens } from './tokens.mjs';
import { devices } from './devices.mjs';
import { media } from './media.mjs';
import { opus } from './opus.mjs';
import { options } from './options.mjs';
import { telemetries } from './telemetry.mjs';
import { telephones } from './telephones.mjs';

const parts = { calls, opus, telemetry: telemetries, tokens, revocation, devices, telephones, media, race, late, drops, silence, options };
const wanted = (process.env.ONLY ?? 'calls,race').split(',');
await inLanes(sdks, async (lane, sdk) => {
  for (const name of wanted) await parts[name](lane, sdk);
});
finish();
