/* command.h: from the server's side of a change to a packed Command, and from a packed Result back. */
#ifndef SERVER_NFS4_COMMAND_H
#define SERVER_NFS4_COMMAND_H

#include "proto/log.pb-c.h"
#include "server/nfs4/compound.h"

/* Sends the command of the present operation: adds ticket, credential and the origin (the slot, or a node request
 * outside of a session), packs it, and puts the proposal into the outbox. `content` must live as long as the record.
 * Returns STEP_COMMIT, or STEP_DONE with an error when what precedes it is too long to be kept. */
enum step command_propose(struct compound *compound, Qnfs__Command *command, struct slice content);

/* The same for a request of the node itself, whose memory is the task's arena. */
void command_propose_node(struct nfs4_server *server, struct task *task, Qnfs__Command *command,
                          struct nfs4_outbox *outbox);

/* The task's proposal has come back. */
void command_returned(struct nfs4_server *server, struct task *task);

/* A result in the arena; CHECKs that it unpacks: it is our own. */
const Qnfs__Result *command_result(struct slice packed, struct arena *arena);

/* Parts of commands, in the compound's arena. */
Qnfs__FileRef *command_file(struct compound *compound, struct file_id id);
Qnfs__Stateid *command_stateid(struct compound *compound, struct stateid stateid);
ProtobufCBinaryData command_bytes(struct slice bytes);
/* 16 bytes, the high half first. */
ProtobufCBinaryData command_digest(struct compound *compound, struct hash128 digest);

/* Parts of results. */
struct file_id result_file(const Qnfs__FileRef *reference);
struct stateid result_stateid(const Qnfs__Stateid *stateid);
struct change_info4 result_change(const Qnfs__ChangeInfo *change);
struct slice result_bytes(ProtobufCBinaryData bytes);

static inline struct stateid4 stateid_encode(struct stateid stateid)
{
    struct stateid4 wire = {.seqid = stateid.seqid};
    memcpy(wire.other, stateid.other, sizeof(wire.other));
    return wire;
}
static inline struct stateid stateid_decode(const struct stateid4 *wire)
{
    struct stateid stateid = {.seqid = wire->seqid};
    memcpy(stateid.other, wire->other, sizeof(stateid.other));
    return stateid;
}

#endif
