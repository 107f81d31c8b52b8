// Starts the binary; everything else is in there.
const { spawn } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join } = require('node:path');

exports.run = (command) => {
  const exe = process.platform === 'win32' ? '.exe' : '';
  const target = `${process.platform}-${process.arch}`;
  const places = [join('action', 'bin', target, 'jf-token'), join('target', 'release', 'jf-token'), join('target', 'debug', 'jf-token')];
  const binary = places.map((place) => join(__dirname, '..', place + exe)).find(existsSync);
  if (!binary) {
    if (command !== 'create') return;
    console.log(`::error title=jf-token has no binary::None for ${target} in this version of the action: use a release tag, or run "cargo build" first.`);
    process.exitCode = 1;
    return;
  }
  const child = spawn(binary, ['action', command], { stdio: 'inherit' });
  // The runner stops this process only; the binary has a token to put in order first.
  // (On Windows kill would end it outright, and it gets the Ctrl-C itself.)
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.platform === 'win32' || child.kill(signal));
  child.on('error', (error) => {
    console.log(`::error title=jf-token could not be started::${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code) => (process.exitCode = code ?? 1));
};

if (require.main === module) exports.run('create');
