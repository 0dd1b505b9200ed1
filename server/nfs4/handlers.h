/* handlers.h: the operations' handlers, for the table in operation.c. A handler looks at compound->args, answers through
 * compound->result or asks for what it needs (enum step); a finish makes the result of a change from the machine's. Each
 * lives in the file of its noun. */
#ifndef SERVER_NFS4_HANDLERS_H
#define SERVER_NFS4_HANDLERS_H

#include "proto/log.pb-c.h"
#include "server/nfs4/compound.h"

enum step access_step(struct compound *compound);
enum step close_step(struct compound *compound);
enum step commit_step(struct compound *compound);
enum step create_step(struct compound *compound);
enum step getattr_step(struct compound *compound);
enum step getfh_step(struct compound *compound);
enum step link_step(struct compound *compound);
enum step lock_step(struct compound *compound);
enum step lockt_step(struct compound *compound);
enum step locku_step(struct compound *compound);
enum step lookup_step(struct compound *compound);
enum step lookupp_step(struct compound *compound);
enum step nverify_step(struct compound *compound);
enum step open_step(struct compound *compound);
enum step open_downgrade_step(struct compound *compound);
enum step putfh_step(struct compound *compound);
enum step putrootfh_step(struct compound *compound);
enum step read_step(struct compound *compound);
enum step readdir_step(struct compound *compound);
enum step readlink_step(struct compound *compound);
enum step remove_step(struct compound *compound);
enum step rename_step(struct compound *compound);
enum step restorefh_step(struct compound *compound);
enum step savefh_step(struct compound *compound);
enum step secinfo_step(struct compound *compound);
enum step setattr_step(struct compound *compound);
enum step verify_step(struct compound *compound);
enum step write_step(struct compound *compound);
enum step backchannel_ctl_step(struct compound *compound);
enum step bind_conn_to_session_step(struct compound *compound);
enum step exchange_id_step(struct compound *compound);
enum step create_session_step(struct compound *compound);
enum step destroy_session_step(struct compound *compound);
enum step free_stateid_step(struct compound *compound);
enum step secinfo_no_name_step(struct compound *compound);
enum step sequence_step(struct compound *compound);
enum step test_stateid_step(struct compound *compound);
enum step destroy_clientid_step(struct compound *compound);
enum step reclaim_complete_step(struct compound *compound);

/* Nothing but the status: for operations without further results. */
void status_finish(struct compound *compound, const Qnfs__Result *result);
void close_finish(struct compound *compound, const Qnfs__Result *result);
void create_finish(struct compound *compound, const Qnfs__Result *result);
void link_finish(struct compound *compound, const Qnfs__Result *result);
void lock_finish(struct compound *compound, const Qnfs__Result *result);
void locku_finish(struct compound *compound, const Qnfs__Result *result);
void open_finish(struct compound *compound, const Qnfs__Result *result);
void open_downgrade_finish(struct compound *compound, const Qnfs__Result *result);
void remove_finish(struct compound *compound, const Qnfs__Result *result);
void rename_finish(struct compound *compound, const Qnfs__Result *result);
void setattr_finish(struct compound *compound, const Qnfs__Result *result);
void write_finish(struct compound *compound, const Qnfs__Result *result);
void exchange_id_finish(struct compound *compound, const Qnfs__Result *result);
void create_session_finish(struct compound *compound, const Qnfs__Result *result);

/* The bytes of a READ are in the reply (or, ok false, could not be read): goes on. */
enum step read_blocks_done(struct compound *compound, bool ok);

#endif
