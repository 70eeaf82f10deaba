// A message centre on the SMPP server of npm's `smpp`: answers every submit_sm, sends its receipt,
// and counts what it was handed. Started by bench/smsc/peer.py, which explains the options.
//
//   node smsc.js '{"receipt_ms": 100, "latency_ms": 0, "form": "both", "ids": "hex", "to": "same"}'
//
// Prints one line of JSON with its ports. GET /counts tells the counts, POST /clear forgets them.

const http = require('http');
const smpp = require('smpp');

const options = Object.assign(
  { receipt_ms: 100, latency_ms: 0, form: 'both', ids: 'hex', to: 'same', window: 200, system_id: '', password: '' },
  JSON.parse(process.argv[2] || '{}'),
);
const TICK_MS = 10; // receipts and answers leave together, as from a busy message centre
const AGAIN_MS = 200;

let counts, seen, times;
let ids = 0x10000000;
const receivers = new Map(); // system_id -> sessions that take deliver_sm
const due = []; // [at, run], in order of time for each kind of delay
const dueAnswers = [];

function clear() {
  counts = { submits: 0, binds: 0, unbinds: 0, enquiries: 0, twice: 0, open_most: 0, open_now: 0,
    receipts_sent: 0, receipts_taken: 0, receipts_again: 0, receipts_waiting: 0, errors: 0 };
  seen = new Set();
  times = [];
}

function keyOf(pdu) {
  const text = pdu.short_message;
  const payload = pdu.message_payload || { message: '' };
  const udh = text && text.udh ? text.udh.map((part) => part.toString('hex')).join() : '';
  return `${pdu.destination_addr}|${text ? text.message : ''}|${payload.message || ''}|${udh}|${pdu.sar_segment_seqnum || ''}`;
}

function stamp(at) {
  return new Date(at).toISOString().replace(/[-T:]/g, '').slice(2, 12);
}

function receiptOf(pdu, id) {
  const now = Date.now();
  const receipt = {
    esm_class: 4, source_addr: pdu.destination_addr, source_addr_ton: pdu.dest_addr_ton,
    source_addr_npi: pdu.dest_addr_npi, destination_addr: pdu.source_addr,
    dest_addr_ton: pdu.source_addr_ton, dest_addr_npi: pdu.source_addr_npi,
  };
  const shown = options.ids === 'dechex' ? parseInt(id, 16).toString(10) : id;
  if (options.form !== 'tlv') {
    receipt.short_message = `id:${shown} sub:001 dlvrd:001 submit date:${stamp(now)} ` +
      `done date:${stamp(now)} stat:DELIVRD err:000 text:`;
  }
  if (options.form !== 'text') {
    receipt.receipted_message_id = id;
    receipt.message_state = 2;
  }
  return receipt;
}

function deliver(session, receipt) {
  const sessions = receivers.get(session.systemId) || [];
  let target = session;
  if (options.to === 'any' || !sessions.includes(session)) {
    target = sessions[counts.receipts_sent % Math.max(1, sessions.length)];
  }
  if (!target || target.waiting >= options.window) {
    due.push([Date.now() + TICK_MS, () => deliver(session, receipt)]);
    return;
  }
  target.waiting += 1;
  counts.receipts_sent += 1;
  target.unanswered.add(receipt);
  target.deliver_sm(receipt, (answer) => {
    target.waiting -= 1;
    target.unanswered.delete(receipt);
    if (answer.command_status === 0) {
      counts.receipts_taken += 1;
      counts.receipts_waiting -= 1;
    } else {
      counts.receipts_again += 1;
      due.push([Date.now() + AGAIN_MS, () => deliver(session, receipt)]);
    }
  });
}

function onSubmit(session, pdu) {
  const key = keyOf(pdu);
  counts.submits += 1;
  counts.twice += seen.has(key) ? 1 : 0;
  seen.add(key);
  times.push(Date.now());
  counts.open_now += 1;
  counts.open_most = Math.max(counts.open_most, counts.open_now);
  const id = (ids++).toString(16);
  const answer = () => {
    counts.open_now -= 1;
    session.send(pdu.response({ message_id: id }));
  };
  if (options.latency_ms) dueAnswers.push([Date.now() + options.latency_ms, answer]);
  else answer();
  if (pdu.registered_delivery & 1) {
    counts.receipts_waiting += 1;
    due.push([Date.now() + options.latency_ms + options.receipt_ms,
      () => deliver(session, receiptOf(pdu, id))]);
  }
}

function onBind(session, pdu, kind) {
  counts.binds += 1;
  const wrong = options.system_id && (pdu.system_id !== options.system_id || pdu.password !== options.password);
  session.send(pdu.response({ system_id: 'npm', command_status: wrong ? smpp.ESME_RBINDFAIL : 0 }));
  if (wrong) return;
  session.systemId = pdu.system_id;
  session.waiting = 0;
  session.unanswered = new Set();
  if (kind !== 'bind_transmitter') {
    if (!receivers.has(pdu.system_id)) receivers.set(pdu.system_id, []);
    receivers.get(pdu.system_id).push(session);
  }
}

function onClose(session) {
  const sessions = receivers.get(session.systemId) || [];
  if (sessions.includes(session)) sessions.splice(sessions.indexOf(session), 1);
  for (const receipt of session.unanswered || []) { // what was not taken is said again elsewhere
    counts.receipts_again += 1;
    due.push([Date.now() + AGAIN_MS, () => deliver(session, receipt)]);
  }
  if (session.unanswered) session.unanswered.clear();
}

function run(queue) {
  const now = Date.now();
  let later = 0;
  while (queue.length - later > 0 && queue[0][0] <= now && later < 10000) {
    later += 1;
    queue.shift()[1]();
  }
}

clear();
setInterval(() => { run(dueAnswers); run(due); }, TICK_MS);

const server = smpp.createServer({}, (session) => {
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, (pdu) => onBind(session, pdu, kind));
  }
  session.on('submit_sm', (pdu) => onSubmit(session, pdu));
  session.on('enquire_link', (pdu) => { counts.enquiries += 1; session.send(pdu.response()); });
  session.on('unbind', (pdu) => { counts.unbinds += 1; session.send(pdu.response()); session.close(); });
  session.on('close', () => onClose(session));
  session.on('error', () => { counts.errors += 1; });
});

const control = http.createServer((request, response) => {
  if (request.method === 'POST') clear();
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ ...counts, distinct: seen.size, times_ms: times }));
});

server.listen(0, '127.0.0.1', () => control.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port, control: control.address().port }));
}));
process.on('SIGTERM', () => process.exit(0));
