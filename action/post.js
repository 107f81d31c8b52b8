require('./main.js').run('revoke');
