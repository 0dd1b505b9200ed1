/* apply.h: what the handlers of the machine share while one command is applied. Internal to statestore/machine.
 *
 * A handler has the form  void noun_verb(struct apply *apply, const Qnfs__Verb *command)  and answers through
 * apply->result (status and body, allocated in the arena). Before it runs, apply.c has checked the origin (slot, epoch,
 * incarnation), renewed nothing, and set the identity to the raw credentials; a handler that touches files calls
 * apply_enter_volume() first. A handler that answers an error must have written nothing: it checks, then changes. */
#ifndef STATESTORE_MACHINE_APPLY_H
#define STATESTORE_MACHINE_APPLY_H

#include "statestore/machine/access.h"
#include "statestore/machine/export.h"
#include "statestore/machine/machine.h"

struct apply {
    struct machine *machine;
    struct transaction *transaction;
    struct kv_read *read; /* = &transaction->read */
    struct arena *arena;
    uint64_t number; /* this command's */
    uint64_t uptime_ms;
    int64_t wall_ns;
    const Qnfs__Command *command;
    struct slice content;
    struct identity identity; /* raw, until apply_enter_volume squashes it */
    struct client_id client;  /* of the slot's session; 0 without one */
    Qnfs__Result *result;
    struct machine_effect *effects; /* grows in the arena */
    size_t effect_count;
};

/* Runs apply->command: origin, handler, replay record; fills result and effects. Called by machine.c alone. */
void apply_command(struct apply *apply);

void apply_answer(struct apply *apply, enum nfsstat4 status);
void apply_effect(struct apply *apply, struct machine_effect effect);
/* An error with a sentence for the operator (TextResult); the text must outlive the answer. */
void apply_refuse(struct apply *apply, enum nfsstat4 status, struct slice why);
/* The stored result becomes the answer, marked MACHINE_REPLAYED. */
void apply_replay(struct apply *apply, struct slice stored);

/* The client that asks: of the slot's session, or the one that the command names. */
static inline struct client_id apply_client(const struct apply *apply, uint64_t named)
{
    return apply->client.value != 0 ? apply->client : (struct client_id){named};
}

/* The incarnation that sent the command; 0 if the command does not say. */
struct incarnation_id apply_sender(const struct apply *apply);

/* The `change` of a file that this command changes. */
static inline uint64_t apply_change(const struct apply *apply)
{
    return apply->number << 16;
}

/* Finds the volume's export, checks that it admits the identity, squashes the identity: for a command that changes files.
 * Defined in volume.c. Answers NFS4_OK, NFS4ERR_STALE, NFS4ERR_ACCESS, NFS4ERR_WRONGSEC, NFS4ERR_ROFS (also for the
 * pseudo volume). */
enum nfsstat4 apply_enter_volume(struct apply *apply, struct volume_id volume);
/* The same without NFS4ERR_ROFS, for a command that need not change files (OPEN for reading, locks): tells instead. */
enum nfsstat4 apply_admit_volume(struct apply *apply, struct volume_id volume, bool *is_read_only);

/* Between the protobuf messages and the machine's types; all allocate in the apply's arena. */
struct file_id apply_file(const Qnfs__FileRef *reference); /* NULL: volume 0, inode 0 */
Qnfs__FileRef *apply_file_result(struct apply *apply, struct file_id id);
struct stateid apply_stateid(const Qnfs__Stateid *stateid);
Qnfs__Stateid *apply_stateid_result(struct apply *apply, struct stateid stateid);
struct session_id apply_session_id(ProtobufCBinaryData bytes); /* CHECKs the 16 bytes, as does: */
struct hash128 apply_digest(ProtobufCBinaryData bytes);
Qnfs__ChangeInfo *apply_change_result(struct apply *apply, uint64_t before, uint64_t after);

/* --- files (create.c, remove.c, rename.c, link.c, setattr.c, write.c, purge.c, export.c) --- */
void create_apply(struct apply *apply, const Qnfs__Create *command);
void remove_apply(struct apply *apply, const Qnfs__Remove *command);
void rename_apply(struct apply *apply, const Qnfs__Rename *command);
void link_apply(struct apply *apply, const Qnfs__Link *command);
void setattr_apply(struct apply *apply, const Qnfs__Setattr *command);
void write_apply(struct apply *apply, const Qnfs__Write *command);
void purge_apply(struct apply *apply, const Qnfs__Purge *command);
void export_add_apply(struct apply *apply, const Qnfs__ExportAdd *command);
void export_remove_apply(struct apply *apply, const Qnfs__ExportRemove *command);
void node_report_apply(struct apply *apply, const Qnfs__NodeReport *command);

/* --- clients, sessions, opens, locks, cluster (client.c, session.c, open.c, lock.c, lease.c, node.c, settings.c) --- */
void cluster_create_apply(struct apply *apply, const Qnfs__ClusterCreate *command);
void node_register_apply(struct apply *apply, const Qnfs__NodeRegister *command);
void node_lost_apply(struct apply *apply, const Qnfs__NodeLost *command);
void node_admit_apply(struct apply *apply, const Qnfs__NodeAdmit *command);
void node_remove_apply(struct apply *apply, const Qnfs__NodeRemove *command);
void node_promote_apply(struct apply *apply, const Qnfs__NodePromote *command);
void exchange_id_apply(struct apply *apply, const Qnfs__ExchangeId *command);
void create_session_apply(struct apply *apply, const Qnfs__CreateSession *command);
void destroy_session_apply(struct apply *apply, const Qnfs__DestroySession *command);
void destroy_clientid_apply(struct apply *apply, const Qnfs__DestroyClientid *command);
void session_attach_apply(struct apply *apply, const Qnfs__SessionAttach *command);
void reclaim_complete_apply(struct apply *apply, const Qnfs__ReclaimComplete *command);
void renew_apply(struct apply *apply, const Qnfs__Renew *command);
void expire_apply(struct apply *apply, const Qnfs__Expire *command);
void free_stateid_apply(struct apply *apply, const Qnfs__FreeStateid *command);
void client_evict_apply(struct apply *apply, const Qnfs__ClientEvict *command);
void backchannel_ctl_apply(struct apply *apply, const Qnfs__BackchannelCtl *command);
void setting_set_apply(struct apply *apply, const Qnfs__SettingSet *command);
void address_add_apply(struct apply *apply, const Qnfs__AddressAdd *command);
void address_remove_apply(struct apply *apply, const Qnfs__AddressRemove *command);
void address_move_apply(struct apply *apply, const Qnfs__AddressMove *command);
void address_report_apply(struct apply *apply, const Qnfs__AddressReport *command);
void open_apply(struct apply *apply, const Qnfs__Open *command);
void open_downgrade_apply(struct apply *apply, const Qnfs__OpenDowngrade *command);
void close_apply(struct apply *apply, const Qnfs__Close *command);
void lock_apply(struct apply *apply, const Qnfs__Lock *command);
void locku_apply(struct apply *apply, const Qnfs__Locku *command);

/* --- what the two halves ask of each other --- */

/* files -> open: a regular file made or truncated by OPEN, with the same rules as CREATE and SETATTR. The directory has
 * been checked to exist; name rules, permission, attributes are checked here. On NFS4_OK *made is the new inode and
 * *before and *after the directory's change. `verifier` NULL unless exclusive. `set_mask` tells what was set. */
enum nfsstat4 file_create(struct apply *apply, struct inode *directory, struct slice name,
                          const Qnfs__Attributes *attributes, const uint8_t *verifier, struct inode *made,
                          uint64_t *before, uint64_t *after, uint32_t *set_mask);
enum nfsstat4 file_truncate(struct apply *apply, struct inode *file, uint64_t size_bytes);
/* RFC 8881 section 14: NFS4ERR_INVAL (empty, not UTF-8), BADNAME (".", ".."), BADCHAR ('/', NUL), NAMETOOLONG. Pure. */
enum nfsstat4 name_check(struct slice name);
/* open -> files: the last open of an orphan is gone, or link_count reached 0 with nothing open: free it (at once if
 * small, else by purge steps). */
void file_release(struct apply *apply, struct inode *file);
/* files -> cluster_create: makes or changes one export. NFS4_OK; or INVAL, NOSPC, EXIST with *why, a sentence for the
 * operator, in the arena. */
enum nfsstat4 export_add(struct apply *apply, const Qnfs__ExportSpec *spec, struct slice *why);

/* files -> open: does anybody hold the file open? (for REMOVE and RENAME over it) */
bool open_any(struct kv_read *read, struct file_id file, struct arena *arena);
/* Judges the stateid of a READ, WRITE or SETATTR(size): special stateids included; share denials and (mandatory-free)
 * access mode. NFS4_OK, BAD_STATEID, OLD_STATEID, STALE_STATEID, EXPIRED, OPENMODE, LOCKED. Also used by the server for
 * READ, over a snapshot. `client` is who asks. */
enum nfsstat4 open_judge_io(struct kv_read *read, struct file_id file, struct stateid stateid, struct client_id client,
                            bool is_write, uint32_t server_epoch, struct arena *arena);

#endif
