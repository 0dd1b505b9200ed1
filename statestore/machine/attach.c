/* attach.c: what happens to a session after it was made: attached to a node, ended, its back channel described anew. */
#include "base/check.h"
#include "statestore/machine/apply.h"
#include "statestore/machine/client.h"
#include "statestore/machine/lease.h"
#include "statestore/machine/node.h"
#include "statestore/machine/session.h"

static void attach_answer(struct apply *apply, const struct session *session, bool attached)
{
    Qnfs__AttachResult *result = arena_alloc(apply->arena, sizeof(*result));
    qnfs__attach_result__init(result);
    result->epoch = session->epoch;
    result->incarnation = session->incarnation.value;
    result->attached = attached;
    apply->result->body_case = QNFS__RESULT__BODY_ATTACH;
    apply->result->attach = result;
    apply_answer(apply, NFS4_OK);
}

/* The epoch seen decides, not who holds the session: of two nodes that want it at once the first in the log gets it, and
 * the other one learns so. */
void session_attach_apply(struct apply *apply, const Qnfs__SessionAttach *command)
{
    struct session session;
    struct incarnation incarnation;
    if (!session_get(apply->read, apply_session_id(command->session), apply->arena, &session)) {
        apply_answer(apply, NFS4ERR_BADSESSION);
        return;
    }
    if (session.epoch != command->epoch ||
        !incarnation_get(apply->read, (struct incarnation_id){command->incarnation}, apply->arena, &incarnation)) {
        attach_answer(apply, &session, false);
        return;
    }
    apply_effect(apply, (struct machine_effect){.kind = EFFECT_SESSION_LEFT,
                                                .session = session.id,
                                                .client = session.client,
                                                .incarnation = session.incarnation});
    session.incarnation = incarnation.id;
    session.epoch++;
    session_put(apply->transaction, &session, apply->arena);
    lease_revive(apply, session.client);
    attach_answer(apply, &session, true);
}

void destroy_session_apply(struct apply *apply, const Qnfs__DestroySession *command)
{
    struct session session;
    struct client client;
    if (!session_get(apply->read, apply_session_id(command->session), apply->arena, &session)) {
        apply_answer(apply, NFS4ERR_BADSESSION);
        return;
    }
    bool found = client_get(apply->read, session.client, apply->arena, &client);
    CHECK(found || apply->read->failed);
    /* A foreign user must not end a session whose id he has seen on the wire. */
    if (!slice_equal(client.principal, client_principal(apply->command->credential, apply->arena))) {
        apply_answer(apply, NFS4ERR_WRONG_CRED);
        return;
    }
    session_remove(apply, &session);
    apply_answer(apply, NFS4_OK);
}

void backchannel_ctl_apply(struct apply *apply, const Qnfs__BackchannelCtl *command)
{
    struct session session;
    if (!session_get(apply->read, apply_session_id(command->session), apply->arena, &session)) {
        apply_answer(apply, NFS4ERR_BADSESSION);
        return;
    }
    session.callback_program = command->callback_program;
    session.callback_flavor = command->callback_flavor;
    session.callback_uid = command->callback_uid;
    session.callback_gid = command->callback_gid;
    session_put(apply->transaction, &session, apply->arena);
    apply_answer(apply, NFS4_OK);
}
