'use strict'
// What Haraka does with its guests: its manners at each address come from config/keep.json, and a letter that it takes
// is kept in `letters`, envelope and octets in one file.

const fs = require('node:fs')
const path = require('node:path')

exports.register = function () {
    this.keep = this.config.get('keep.json')
}

exports.manners = function (connection) {
    return this.keep.hosts[connection.local.ip]
}

// Nobody is asked who lives at a loopback address.
exports.hook_lookup_rdns = (next) => next(OK, 'localhost')

exports.hook_capabilities = function (next, connection) {
    const manners = this.manners(connection)
    connection.capabilities = connection.capabilities
        .filter((said) => !manners.unsaid.includes(said))
        .map((said) => (said.startsWith('SIZE ') ? `SIZE ${manners.largest}` : said))
    next()
}

exports.hook_mail = function (next, connection) {
    connection.notes.letters = (connection.notes.letters || 0) + 1
    if (connection.notes.letters <= this.manners(connection).most_letters) return next()
    next(DENYSOFTDISCONNECT, '4.7.0 that was enough for one connection')
}

exports.hook_rcpt = function (next, connection, [recipient]) {
    if (recipient.user === this.keep.nobody) return next(DENY, '5.1.1 no such user')
    if (recipient.user === this.keep.later) return next(DENYSOFT, '4.2.1 not now')
    next(OK)
}

exports.hook_data_post = function (next, connection) {
    if (connection.transaction.mail_from.user === this.keep.unwelcome) return next(DENY, '5.7.1 not from you')
    next()
}

exports.hook_queue = function (next, connection) {
    const { uuid, mail_from, rcpt_to, message_stream } = connection.transaction
    message_stream.get_data((octets) => {
        const file = path.join(this.keep.letters, uuid)
        const recipients = rcpt_to.map((each) => each.address)
        const letter = { sender: mail_from.address, recipients, octets: octets.toString('base64') }
        fs.writeFileSync(`${file}.new`, JSON.stringify(letter))
        fs.renameSync(`${file}.new`, `${file}.json`)
        next(OK)
    })
}
