// Everything that the page says, in English and Japanese.

const EN = {
  title: 'Softphones',
  intro: 'Telephones in this page, connected by the Switchboard on your computer. A robot speaks for them, so you need no microphone.',
  start: 'Let Ada call Bob',
  stop: 'Hang up',
  second: 'Bob’s second device',
  secondGone: 'Remove the second device',
  secondHint: 'Two devices ring for Bob and both answer at once. One of them wins, and the other is told.',
  wakeUp: 'Click anywhere: browsers let a page sound only after a click.',
  language: '日本語',
  languageHint: '日本語で表示',
  theme: 'Light or dark',
  insecure: 'This address does not count as secure, so the browser gives it no microphone. Open {home} instead.',

  away: 'away', ready: 'ready', calling: 'calling', ringing: 'ringing', answering: 'answering', talking: 'talking',
  device: 'Device {number}',
  with: 'with {other}',
  from: '{other} is calling',
  to: 'calling {other}',

  says: 'Says', hears: 'Hears',
  answer: 'Answer', decline: 'Decline', call: 'Call', hangUp: 'Hang up',
  whom: 'Number, client:name or sip: address',
  mute: 'Mute', microphone: 'Use my microphone', itself: 'Answers by itself', loud: 'Loudspeaker',
  say: 'Say', sentence: 'Words for the robot (English)', sentenceText: 'Good morning!',
  keypad: 'Keypad', key: 'Key {key}',
  loss: 'Lost', jitter: 'Jitter', delay: 'There and back', codec: 'Codec', heard: 'Speech heard',
  percent: '{value} %', ms: '{value} ms', seconds: '{value} s', none: '–',

  directory: 'Numbers to dial', directoryHint: 'One click, and Ada calls.',
  demo: 'a greeting, and music', echo: 'you hear yourself', menu: 'press 1, 2 or another key', failures: 'choose what goes wrong', yours: 'your own program, at http://localhost:3000/voice',
  check: 'Line check', preflight: 'eight seconds of your own sound',
  phones: 'Ten virtual phones that answer and listen:',
  incoming: 'Call a telephone in this page from the command line:',
  copy: 'Copy', copied: 'Copied',

  events: 'What happened', eventsHint: 'Newest first.', nothing: 'Nothing yet.',
  logs: 'Every exchange of a call, on the command line:',

  registered: 'is registered and can be called',
  dials: 'calls {to}',
  ringsThere: 'hears that it rings at {to}',
  rings: 'rings: {from} is calling',
  answers: 'answers',
  answered: 'is told that {to} answered',
  soundUp: 'has sound both ways, {ms} ms after the answer',
  bridged: 'now hears {other}',
  declines: 'declines',
  presses: 'presses {key}',
  hangsUp: 'hangs up',
  ended: 'is told that the call is over',
  callerGone: 'is told that the caller gave up',
  busy: 'was called by {from}, but is busy',
  elsewhere: '{by} answered first.',
  elsewhereOwn: 'Another device of this name answered first.',
  tooLate: 'Answered too late: {by} was faster.',
  tooLateOwn: 'Answered too late: another device of this name was faster.',
  microphoneOn: 'uses the microphone',
  microphoneNotAllowedError: 'The browser refused the microphone. Allow it at the left end of the address bar, then switch it on again. The robot goes on meanwhile.',
  microphoneNotFoundError: 'No microphone was found. Connect one and switch it on again, or let the robot speak.',
  microphoneNotReadableError: 'The microphone cannot be opened. Another program may have it; close that, and switch it on again.',
  microphoneSecurityError: 'The browser gives no microphone to this address. Open the page at http://127.0.0.1 or http://localhost.',
  noSound: 'Answered, but no sound came through. It travels as UDP to {where}: let it pass in the firewall, or switch off the VPN for this computer’s own addresses.',
  soundLost: 'The sound was lost. Looking for a new way…',
  off: 'The connection to Switchboard is gone. Start it again with: cargo run --release',
  back: 'is connected again',
  refused: 'Switchboard refused ({code}): {message}',
  failed: 'The call failed ({code}): {message}',
  noSpeech: 'The robot cannot speak: {message}',
};

const JA = {
  title: 'ソフトフォン',
  intro: 'このページの電話は、あなたのコンピューターで動く Switchboard につながっています。ロボットが話すので、マイクは要りません。',
  start: 'Ada から Bob に発信する',
  stop: '切る',
  second: 'Bob の 2 台目を追加',
  secondGone: '2 台目を取り除く',
  secondHint: 'Bob の 2 台が鳴り、同時に応答します。つながるのは 1 台だけで、もう 1 台にはそのことが知らされます。',
  wakeUp: 'どこかをクリックしてください。ブラウザーは、クリックの後でなければ音を出せません。',
  language: 'English',
  languageHint: 'Show in English',
  theme: '明るい配色・暗い配色',
  insecure: 'このアドレスは安全とみなされないため、マイクを使えません。{home} を開いてください。',

  away: '切断中', ready: '待機中', calling: '発信中', ringing: '着信中', answering: '応答中', talking: '通話中',
  device: '{number} 台目',
  with: '相手: {other}',
  from: '{other} から着信',
  to: '{other} に発信中',

  says: '話す', hears: '聞く',
  answer: '応答', decline: '拒否', call: '発信', hangUp: '切る',
  whom: '電話番号、client:名前、sip: アドレス',
  mute: 'ミュート', microphone: 'マイクを使う', itself: '自動応答', loud: 'スピーカー',
  say: '話す', sentence: 'ロボットが話す言葉（英語）', sentenceText: 'Good morning!',
  keypad: 'ダイヤルキー', key: 'キー {key}',
  loss: '損失', jitter: 'ジッター', delay: '往復遅延', codec: 'コーデック', heard: '聞こえた音声',
  percent: '{value} %', ms: '{value} ミリ秒', seconds: '{value} 秒', none: '–',

  directory: 'かけられる番号', directoryHint: 'クリックすると Ada が発信します。',
  demo: 'あいさつと音楽', echo: '自分の声が返る', menu: '1、2、その他のキーを押す', failures: '不具合を選ぶ', yours: 'あなたのプログラム（http://localhost:3000/voice）',
  check: '回線の確認', preflight: '自分の音を 8 秒間聞く',
  phones: '応答して聞くだけの仮想電話機（10 台）:',
  incoming: 'コマンドラインから、このページの電話にかける:',
  copy: 'コピー', copied: 'コピー済み',

  events: 'できごと', eventsHint: '新しい順。', nothing: 'まだありません。',
  logs: '通話のすべてのやりとりは、コマンドラインで:',

  registered: '登録済み。電話を受けられます',
  dials: '{to} に発信',
  ringsThere: '{to} を呼び出し中',
  rings: '{from} から着信',
  answers: '応答',
  answered: '{to} が応答',
  soundUp: '応答の {ms} ミリ秒後に双方向の音声が開通',
  bridged: '{other} の音声とつながりました',
  declines: '着信を拒否',
  presses: 'キー {key} を押した',
  hangsUp: '電話を切った',
  ended: '通話が終了',
  callerGone: '相手が発信をやめた',
  busy: '通話中に {from} から着信',
  elsewhere: '{by} が先に応答しました。',
  elsewhereOwn: '同じ名前の別の端末が先に応答しました。',
  tooLate: '一足遅れました。{by} が先に応答しました。',
  tooLateOwn: '一足遅れました。同じ名前の別の端末が先に応答しました。',
  microphoneOn: 'マイクを使用中',
  microphoneNotAllowedError: 'ブラウザーがマイクを許可していません。アドレスバーの左端で許可してから、もう一度オンにしてください。それまではロボットが話します。',
  microphoneNotFoundError: 'マイクが見つかりません。接続してからもう一度オンにするか、ロボットに話させてください。',
  microphoneNotReadableError: 'マイクを開けません。他のプログラムが使用中なら終了して、もう一度オンにしてください。',
  microphoneSecurityError: 'このアドレスではマイクを使えません。http://127.0.0.1 または http://localhost でページを開いてください。',
  noSound: '応答しましたが、音声が届きません。音声は UDP で {where} に送られます。ファイアウォールで許可するか、このコンピューター自身のアドレスを VPN から除外してください。',
  soundLost: '音声が途切れました。別の経路を探しています…',
  off: 'Switchboard との接続が切れました。次のコマンドで起動してください: cargo run --release',
  back: '再び接続しました',
  refused: 'Switchboard に拒否されました（{code}）: {message}',
  failed: '通話に失敗しました（{code}）: {message}',
  noSpeech: 'ロボットが話せません: {message}',
};

const LANGUAGES = { en: EN, ja: JA };
const KEPT = 'switchboard-language';

let language = localStorage.getItem(KEPT) ?? (navigator.language.startsWith('ja') ? 'ja' : 'en');

/** `en` or `ja`. */
export const spoken = () => language;

/** The text of a key, with its values in place. */
export function t(key, values = {}) {
  const text = LANGUAGES[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

export function speak(next) {
  language = next;
  localStorage.setItem(KEPT, next);
}

/** Writes the words into elements with `data-t`, and into the attributes that `data-t-*` name. */
export function write(root) {
  for (const element of root.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
  for (const [data, attribute] of [['tLabel', 'aria-label'], ['tTitle', 'title'], ['tPlaceholder', 'placeholder']]) {
    const name = data.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    for (const element of root.querySelectorAll(`[data-${name}]`)) element.setAttribute(attribute, t(element.dataset[data]));
  }
}
