#include "tests/support/admin_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/limits.h"
#include "proto/nfs4/lock.h"
#include "proto/nfs4/open.h"

static void node_status(void *context, struct admin_node_status *status)
{
    const struct admin_node *node = context;
    *status = node->status;
}

static void node_loop_counters(void *context, uint32_t loop, struct gateway_thread_counters *counters)
{
    (void)context;
    *counters = (struct gateway_thread_counters){0};
    counters->gateway.connections = 3 + loop;
    counters->gateway.calls = 100;
    counters->nfs4.operations = 1000 * (loop + 1);
}

/* What a command's body does, in a transaction of its own. */
static enum nfsstat4 node_run(struct files *files, const Qnfs__Command *command)
{
    struct apply *apply = files_begin(files);
    if (command->body_case == QNFS__COMMAND__BODY_EXPORT_ADD)
        export_add_apply(apply, command->export_add);
    else if (command->body_case == QNFS__COMMAND__BODY_EXPORT_REMOVE)
        export_remove_apply(apply, command->export_remove);
    else if (command->body_case == QNFS__COMMAND__BODY_SETTING_SET)
        setting_set_apply(apply, command->setting_set);
    else if (command->body_case == QNFS__COMMAND__BODY_CLIENT_EVICT)
        client_evict_apply(apply, command->client_evict);
    else
        fail_msg("the admin door sent command %d", (int)command->body_case);
    return files_end(files);
}

static enum status node_execute(void *context, Qnfs__Command *command, uint32_t timeout_ms, struct arena *arena,
                                Qnfs__Result **result)
{
    struct admin_node *node = context;
    (void)arena;
    assert_int_equal(timeout_ms, ADMIN_COMMAND_TIMEOUT_MS);
    if (node->execute_status != STATUS_OK)
        return node->execute_status;
    node_run(&node->files, command);
    *result = &node->files.result; /* until the next command */
    return STATUS_OK;
}

static size_t node_members(void *context, struct admin_member *members, size_t room)
{
    const struct admin_node *node = context;
    assert_true(node->member_count <= room);
    memcpy(members, node->members, node->member_count * sizeof(*members));
    return node->member_count;
}

static void node_transfer(void *context, uint64_t target)
{
    struct admin_node *node = context;
    node->transfer_to = target;
    node->transferred++;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    close(descriptor);
    return ntohs(address.sin_port);
}

static bool node_has_address(void *context, uint64_t id)
{
    (void)context;
    (void)id;
    return false;
}

void admin_node_init(struct admin_node *node)
{
    char trouble[256] = "";
    *node = (struct admin_node){.execute_status = STATUS_OK};
    files_init(&node->files);
    node->log = (struct log){LOG_ERROR, false, STDERR_FILENO};
    node->status = (struct admin_node_status){
        .serving = true,
        .healthy = true,
        .node = 1,
        .incarnation = ADMIN_NODE_INCARNATION,
        .cluster_id = {0xab, 1},
        .leader = true,
        .term = 3,
        .commit_index = 40,
        .applied_index = 39,
        .applied_number = 123,
        .log_bytes = 5 << 20,
        .started_wall_ns = 1000000000,
        .free_bytes = 1u << 30,
        .total_bytes = 1u << 31,
        .uptime_ms = ADMIN_NODE_UPTIME_MS,
    };
    node->ports = (struct admin_ports){.context = node,
                                       .store = node->files.store,
                                       .published = &node->published,
                                       .status = node_status,
                                       .members = node_members,
                                       .transfer = node_transfer,
                                       .execute = node_execute,
                                       .has_address = node_has_address,
                                       .loop_count = ADMIN_NODE_LOOPS,
                                       .loop_counters = node_loop_counters};
    node->address = (struct config_address){"127.0.0.1", free_port()};
    if (admin_start(&node->address, &node->ports, &node->log, clock_system(), &node->admin, trouble, sizeof(trouble)) !=
        STATUS_OK)
        fail_msg("%s", trouble);
}

void admin_node_fini(struct admin_node *node)
{
    admin_stop(node->admin);
    files_fini(&node->files);
}

uint64_t admin_node_client(struct admin_node *node, const char *owner)
{
    struct files *files = &node->files;
    struct apply *apply = files_begin(files);
    Qnfs__ExchangeId command = QNFS__EXCHANGE_ID__INIT;
    Qnfs__Credential credential = QNFS__CREDENTIAL__INIT;
    uint8_t verifier[8] = {1};
    credential.flavor = 1;
    command.owner = (ProtobufCBinaryData){strlen(owner), (uint8_t *)(uintptr_t)owner};
    command.verifier = (ProtobufCBinaryData){8, verifier};
    command.identity = (ProtobufCBinaryData){7, (uint8_t *)(uintptr_t) "default"};
    command.minor_version = 1;
    files->command.credential = &credential;
    exchange_id_apply(apply, &command);
    uint64_t client = files->result.exchange_id->client;
    uint32_t sequence = files->result.exchange_id->sequence;
    assert_int_equal(files_end(files), NFS4_OK);

    apply = files_begin(files);
    Qnfs__CreateSession create = QNFS__CREATE_SESSION__INIT;
    Qnfs__ChannelAttributes channel = QNFS__CHANNEL_ATTRIBUTES__INIT;
    uint8_t digest[16] = {0};
    channel.max_requests = 16;
    channel.max_operations = 8;
    channel.max_request_size = channel.max_response_size = channel.max_response_size_cached = 4096;
    create.client = client;
    create.sequence = sequence;
    create.fore = create.back = &channel;
    create.incarnation = ADMIN_NODE_INCARNATION;
    create.digest = (ProtobufCBinaryData){16, digest};
    files->command.credential = &credential;
    create_session_apply(apply, &create);
    assert_int_equal(files_end(files), NFS4_OK);
    apply = files_begin(files);
    Qnfs__ReclaimComplete reclaim = QNFS__RECLAIM_COMPLETE__INIT;
    reclaim.client = client;
    reclaim_complete_apply(apply, &reclaim);
    assert_int_equal(files_end(files), NFS4_OK);
    return client;
}

void admin_node_hold(struct admin_node *node, uint64_t client, struct file_id file, uint64_t length)
{
    struct files *files = &node->files;
    Qnfs__FileRef reference = QNFS__FILE_REF__INIT;
    reference.volume = file.volume.value;
    reference.inode = file.inode.value;
    reference.generation = file.generation;
    struct apply *apply = files_begin(files);
    Qnfs__Open open = QNFS__OPEN__INIT;
    open.client = client;
    open.owner = (ProtobufCBinaryData){4, (uint8_t *)(uintptr_t) "me\x01\\"};
    open.access = OPEN4_SHARE_ACCESS_BOTH;
    open.deny = OPEN4_SHARE_DENY_NONE;
    open.claim = CLAIM_FH;
    open.file = &reference;
    open_apply(apply, &open);
    assert_int_equal(apply->result->status, NFS4_OK);
    Qnfs__Stateid stateid = *files->result.open->stateid;
    uint8_t other[12];
    memcpy(other, stateid.other.data, 12);
    stateid.other.data = other;
    assert_int_equal(files_end(files), NFS4_OK);

    apply = files_begin(files);
    Qnfs__Lock lock = QNFS__LOCK__INIT;
    lock.file = &reference;
    lock.client = client;
    lock.type = WRITE_LT;
    lock.offset = 100;
    lock.length = length;
    lock.new_owner = true;
    lock.open_stateid = &stateid;
    lock.owner = (ProtobufCBinaryData){6, (uint8_t *)(uintptr_t) "locker"};
    lock_apply(apply, &lock);
    assert_int_equal(files_end(files), NFS4_OK);
}
