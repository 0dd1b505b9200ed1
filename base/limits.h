/* limits.h: every bound of the server, in one place: value, unit, why this value, and what happens at it. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* --- memory of a request --- */
/* First chunk of an arena: most compounds of five operations fit. */
#define ARENA_FIRST_BYTES 8192u
/* Chunks double up to this. */
#define ARENA_CHUNK_MAX_BYTES (1u << 20)
/* What a reset arena keeps for its next user. */
#define ARENA_KEEP_BYTES 65536u
/* Over this an arena CHECKs: all inputs are bounded far below it. */
#define ARENA_MAX_BYTES (256u << 20)
/* A log line; longer ones are cut. */
#define LOG_LINE_MAX_BYTES 2048u

/* --- RPC (gateway) --- */
/* One RPC record: a 1 MiB WRITE and its compound around it. Larger: the connection is closed. */
#define RPC_RECORD_MAX_BYTES ((1u << 20) + 16384u)
/* Fragments of one record; more: the connection is closed. */
#define RPC_FRAGMENTS_MAX 1024u
/* RFC 5531: opaque_auth body. Larger: rejected with AUTH_BADCRED. */
#define RPC_AUTH_MAX_BYTES 400u
/* RFC 5531: groups in AUTH_SYS. */
#define RPC_AUTH_SYS_GROUPS_MAX 16u
/* RFC 5531: machine name in AUTH_SYS. */
#define RPC_AUTH_SYS_MACHINE_MAX_BYTES 255u
/* What one read from a socket takes. */
#define GATEWAY_READ_BYTES (256u << 10)
/* A record up to this is copied out of the read buffer, so that a parked call does not hold GATEWAY_READ_BYTES. */
#define GATEWAY_RECORD_COPY_BYTES 4096u
/* Client connections of one node, fewer if it may not open so many files; the next one is accepted and closed at once. */
#define GATEWAY_CONNECTIONS_MAX 20000u
/* Open files of a node beside its client connections: RocksDB's tables (STORE_OPEN_FILES_MAX) and room for compactions,
 * log segments, blocks that are read and synced, admin connections. */
#define NODE_DESCRIPTORS_RESERVED 1024u
/* Gateway loops of a node (--gateway-threads). */
#define GATEWAY_THREADS_MAX 64u
/* Requests of one connection that are parked or being answered; at it the socket is not read. */
#define GATEWAY_CONNECTION_REQUESTS_MAX 256u
/* Bytes that wait to be sent on one connection; at it no further request of it is begun and the socket is not read. */
#define GATEWAY_CONNECTION_OUTPUT_MAX_BYTES (4u << 20)
/* Bytes that wait to be sent on all connections of a loop; at it only connections without any of them are served, at
 * twice as many none, and whoever takes nothing for GATEWAY_SEND_PRESSED_TIMEOUT_MS is closed. */
#define GATEWAY_OUTPUT_MAX_BYTES ((size_t)64 << 20)
/* Parked compounds of one gateway loop; at it the loop begins no request and reads no socket. Commands, results and block
 * reads under way are bounded by it too. */
#define GATEWAY_PARKED_MAX 16384u
/* Bytes of requests that are parked in one loop, and of the replies that are begun; at it as above. */
#define GATEWAY_PARKED_MAX_BYTES (256u << 20)
/* Posts that wait for one loop: a result and a block read a parked compound, calls and replies that pass between loops
 * (bounded by the requests of all connections), effects. Over it is a bug. */
#define GATEWAY_INBOX_MAX (8u << 20)
/* Bytes of records that have begun to come, and of records that wait at a bound of their connection, of all connections
 * of a loop; over it the connection that wants more is closed: 20,000 clients that each begin a large record must not take
 * the memory of those who end theirs. */
#define GATEWAY_ASSEMBLY_MAX_BYTES (512u << 20)
/* Calls that one step of a loop begins; with more of them others get their turn before. */
#define GATEWAY_CALLS_PER_STEP 256u
/* Parked compounds that one step lets go on; with more of them what they answered is sent before. */
#define GATEWAY_RUNS_PER_STEP 64u
/* Steps that a loop makes of itself, since there are more calls or room for replies, before it looks at its sockets. */
#define GATEWAY_SETTLE_ROUNDS 16u
/* How often all connections of a loop are looked at for the time-outs below. */
#define GATEWAY_TICK_MS 1000u
/* A record that is not complete this long after its first byte: the connection is closed. */
#define GATEWAY_RECORD_TIMEOUT_MS 60000u
/* A connection that cannot send for this long is closed (slow client), sooner at GATEWAY_OUTPUT_MAX_BYTES. */
#define GATEWAY_SEND_TIMEOUT_MS 120000u
#define GATEWAY_SEND_PRESSED_TIMEOUT_MS 3000u
/* A connection without a session and without a request this long is closed. Linux closes idle ones after 5 min. */
#define GATEWAY_IDLE_TIMEOUT_MS 600000u

/* --- NFSv4 --- */
/* Operations in one compound; more: NFS4ERR_TOO_MANY_OPS for sessions, NFS4ERR_RESOURCE before one. */
#define NFS4_OPERATIONS_MAX 128u
/* Slots of one session's fore channel (Linux asks for 64 at first, up to 1,024). */
#define NFS4_SLOTS_MAX 256u
/* Slots of a back channel: callbacks of one client at a time. */
#define NFS4_CALLBACK_SLOTS_MAX 16u
/* Sessions of one client; more: NFS4ERR_NOSPC (RFC 8881 18.36.3). */
#define NFS4_SESSIONS_PER_CLIENT_MAX 64u
/* Connections bound to one session; more are served but not bound. */
#define NFS4_CONNECTIONS_PER_SESSION_MAX 64u
/* A session that moves between nodes more often than this in so many ms is logged by name; nothing else happens to it. */
#define NFS4_SESSION_MOVES_MAX 10u
#define NFS4_SESSION_MOVES_MS 60000u
/* A slot that has run this far ahead of its row, by pure reads, has the row brought up with the next renewal. */
#define NFS4_SLOT_RUN_MAX (1u << 20)
/* Clients that one Renew command renews; more go into the next one. */
#define NFS4_RENEW_BATCH_MAX 4096u
/* Client records; more: courtesy clients go first, then NFS4ERR_DELAY for EXCHANGE_ID. */
#define NFS4_CLIENTS_MAX 200000u
/* Opens and locks of one client; more: NFS4ERR_RESOURCE (4.0) or NFS4ERR_DELAY (4.1). */
#define NFS4_OPENS_PER_CLIENT_MAX 1000000u
#define NFS4_LOCKS_PER_CLIENT_MAX 1000000u
/* Byte ranges one command may look at or rewrite; more: NFS4ERR_DELAY. */
#define NFS4_LOCK_RANGES_PER_COMMAND_MAX 65536u
/* A name in a directory (Linux NAME_MAX); longer: NFS4ERR_NAMETOOLONG. */
#define NFS4_NAME_MAX_BYTES 255u
/* A symlink's content (Linux PATH_MAX); longer: NFS4ERR_NAMETOOLONG. */
#define NFS4_LINKTEXT_MAX_BYTES 4095u
/* co_ownerid, open owners, lock owners (RFC 8881 NFS4_OPAQUE_LIMIT). */
#define NFS4_OPAQUE_MAX_BYTES 1024u
/* csa_sec_parms and bca_sec_parms (Linux sends one or two); more: NFS4ERR_BADXDR. */
#define NFS4_CALLBACK_SEC_PARMS_MAX 64u
/* Algorithms or handles of SP4_SSV in EXCHANGE_ID; more: NFS4ERR_BADXDR. */
#define NFS4_SSV_ITEMS_MAX 64u
/* Flavors in the answer of SECINFO that a client takes; there are fewer of ours. */
#define NFS4_SECINFO_MAX 64u
/* A file handle on the wire (RFC 8881 NFS4_FHSIZE). */
#define NFS4_FHANDLE_MAX_BYTES 128u
/* Bytes of a READ or WRITE; less is answered, more is not asked for (rtmax, wtmax). */
#define NFS4_IO_MAX_BYTES (1u << 20)
/* Largest request and response of a session (ca_maxrequestsize, ca_maxresponsesize): one I/O and its compound. */
#define NFS4_MESSAGE_MAX_BYTES ((1u << 20) + 8192u)
/* ca_maxresponsesize_cached that is granted at most. */
#define NFS4_CACHED_RESPONSE_MAX_BYTES 65536u
/* Replies that one loop keeps for retries; at it no further one is kept: a change is answered from its slot's row, a pure
 * read is run again. */
#define NFS4_REPLIES_KEPT_MAX_BYTES (256u << 20)
/* The encoded results before the last change of a compound (progress prefix in a slot row) without sa_cachethis. */
#define NFS4_PREFIX_MAX_BYTES 16384u
/* Largest file; a write or size beyond it: NFS4ERR_FBIG. */
#define NFS4_FILE_SIZE_MAX_BYTES ((uint64_t)1 << 62)
/* Hard links of one inode; more: NFS4ERR_MLINK. */
#define NFS4_LINKS_MAX 65000u
/* A lease is over only this part of its period after its end: renewals are reported in batches (server/nfs4/lease.c). */
#define LEASE_SLACK_DIVISOR 4u
/* Lease period that a fresh cluster starts with, and the bounds of the setting. */
#define NFS4_LEASE_DEFAULT_SECONDS 60u
#define NFS4_LEASE_MIN_SECONDS 5u
#define NFS4_LEASE_MAX_SECONDS 3600u

/* --- exports --- */
#define EXPORTS_MAX 4096u
#define EXPORT_PATH_MAX_BYTES 1024u
#define EXPORT_CLIENTS_MAX 256u
#define EXPORT_FLAVORS_MAX 16u

/* --- machine --- */
/* One command with its content; larger: refused by the proposer. */
#define COMMAND_MAX_BYTES (4u << 20)
/* Packed commands of one log entry: packing stops here, one command may be larger. */
#define ENTRY_PACK_BYTES (1u << 20)
/* Commands of one log entry. */
#define ENTRY_COMMANDS_MAX 4096u
/* File bytes up to this stay inline in extent rows; more go to a block file (DESIGN.md section 7, first form). */
#define CONTENT_INLINE_MAX_BYTES 65536u
/* Extent rows that one command frees; a larger file is removed or cut in steps of this. */
#define CONTENT_STEP_EXTENTS 1024u
/* Parents that moving a directory looks up to keep it out of itself; deeper: NFS4ERR_NAMETOOLONG. */
#define DIRECTORY_DEPTH_MAX 65536u
/* A write is merged into the inline extent before it while the result stays within this. */
#define CONTENT_MERGE_BYTES 16384u

/* --- state store (RocksDB) --- */
/* Block cache with the tables' indexes and filters; at it the least recently used blocks go. It fills up with blocks of
 * tables that are gone before it drops one, so it is memory that is taken for good; the system's page cache is behind it. */
#define STORE_CACHE_BYTES ((size_t)32 << 20)
/* One memtable; at it RocksDB flushes by itself. */
#define STORE_WRITE_BUFFER_BYTES ((size_t)64 << 20)
/* Memtables, the one in use included; at it writes wait for a flush. */
#define STORE_WRITE_BUFFERS_MAX 3
/* What a memtable allocates at a time. At MALLOC_MAP_BYTES, so that each is a mapping of its own and goes back whole;
 * in the heap they would pin it in pieces, and the process would grow with every flush. */
#define STORE_MEMTABLE_BLOCK_BYTES ((size_t)4 << 20)
/* Allocations from here on are mappings of their own. Above one READ or WRITE, which would pay for page faults. */
#define MALLOC_MAP_BYTES ((size_t)4 << 20)
/* Heaps of malloc: each keeps what was freed in it, and there is no more of them than busy threads. */
#define MALLOC_HEAPS_MAX 4
/* Open table files, about 64 MiB each; at it the least recently used one is closed. */
#define STORE_OPEN_FILES_MAX 512
/* Filter bits a key: one look-up in a hundred of an absent row reads a block. */
#define STORE_BLOOM_BITS 10
/* Rows are small and read one by one: 8 KiB compress well and are quickly searched. */
#define STORE_BLOCK_BYTES 8192u
/* Flushes and compactions at a time. */
#define STORE_BACKGROUND_JOBS 2
/* Table files are pushed to the disk in steps, so that a flush's sync finds little left. */
#define STORE_SYNC_STEP_BYTES (1u << 20)
/* RocksDB's own text log (four are kept). */
#define STORE_TEXT_LOG_BYTES ((size_t)4 << 20)
/* How often a flush looks whether RocksDB is done, where its own waiting cannot be trusted. */
#define STORE_FLUSH_POLL_NS 1000000
/* Rows of the present state that the writer keeps at hand, and the largest of them with its key; others are read. */
#define STORE_CACHED_ROWS 8192u
#define STORE_CACHED_ROW_BYTES 2048u
/* Released snapshots whose read options are kept for the next taker: more than gateway loops. */
#define STORE_IDLE_VIEWS_MAX 64u

/* References (names to inodes, extents to blocks) that a check of the whole state sorts at a time, 64 MiB; more are
 * counted in several walks. */
#define CHECK_PAIRS_MAX ((size_t)4 << 20)

/* Results of one stream of a node's own requests that are kept above its low-water mark; more: NFS4ERR_DELAY. */
#define NODE_REQUESTS_MAX 16384u
/* Results that one command forgets. */
#define NODE_REQUESTS_STEP 256u
/* Results that closing an incarnation forgets; a row beyond stays, and is read by nobody. */
#define NODE_REQUESTS_CLOSE_MAX 262144u
/* A result that is kept to answer a retry: the largest is a denied LOCK with its owner. CHECK. */
#define REPLAY_RESULT_MAX_BYTES 2048u
/* State rows (opens, locks, byte ranges, slots) of a dead client that one command frees; the rest goes by Purge. */
#define CLIENT_STEP_ROWS 8192u
/* Clients whose lease one Expire ends; its result says that there are more. */
#define LEASE_EXPIRE_STEP 1024u

/* --- block files --- */
/* One block: the content of a command. Larger: a CHECK, since commands are bounded. */
#define BLOCK_MAX_BYTES (4u << 20)
/* What one checksum covers: a READ of 4 KiB reads and checks this much (3 us). Fixed by the format. */
#define BLOCK_CHUNK_BYTES 16384u
/* Written blocks that wait for a sync; at it a write syncs its own block before it returns. */
#define BLOCK_UNSYNCED_MAX 32768u

/* --- cluster --- */
/* Log segments are preallocated at this size; an entry may make one larger. */
#define LOG_SEGMENT_BYTES (64u << 20)
/* The log is cut after a flush: records without content, with content, and commands since the last one. */
#define LOG_FLUSH_BYTES (64u << 20)
#define LOG_FLUSH_CONTENT_BYTES (512u << 20)
#define LOG_FLUSH_COMMANDS 50000u
/* Entries and bytes of one batch in a segment: more make a second batch, before the same sync. */
#define LOG_BATCH_ENTRIES_MAX 1024u
#define LOG_BATCH_BYTES (4u << 20)
/* Small batches write zeros this far ahead, so that the next ones need no new blocks when they are synced. */
#define LOG_FILL_BYTES (256u << 10)
/* Largest log entry: one command and its content, each at its bound. */
#define ENTRY_MAX_BYTES (2u * COMMAND_MAX_BYTES + 64u)
/* Entries that a cut leaves in the log for members that lag; a node alone keeps none. A member that is further behind gets
 * a snapshot. Sums are exact to LOG_SIZES_STEP_BYTES. */
#define LOG_TRAILING_BYTES (64u << 20)
#define LOG_SIZES_STEP_BYTES (1u << 20)
/* Entries in one message to a member; one entry may be larger. */
#define PEER_APPEND_BYTES (1u << 20)
#define PEER_APPEND_ENTRIES_MAX 1024u
/* Appends to one member that wait to be read back from the log, or for our own disk; more are dropped: the member asks
 * again by rejecting what follows. */
#define PEER_APPENDS_WAITING_MAX 256u
/* Messages of other members that wait while a vote is saved, and their entries; more are dropped. */
#define REPLICA_RECEIVED_MAX 1024u
#define REPLICA_RECEIVED_MAX_BYTES (64u << 20)
/* Applied entries that a leader keeps in memory for members that do not have them yet; others are read from the log. */
#define REPLICA_CACHE_BYTES (16u << 20)
/* Members of a cluster, voters and standbys; more are refused. */
#define CLUSTER_MEMBERS_MAX 31u
/* Ids that a cluster gives in its life: rows of removed nodes stay. More are refused. */
#define CLUSTER_NODES_EVER_MAX 4096u
/* HOST:PORT of a node; longer: NFS4ERR_INVAL. */
#define NODE_ADVERTISE_MAX_BYTES 263u
/* Appends that are not yet synced before the replica waits with packing; full entries are packed all the same. */
#define REPLICA_APPENDS_MAX 2u
/* Entries and bytes that are packed and not yet applied; at it proposals wait. */
#define REPLICA_WINDOW_ENTRIES 2048u
#define REPLICA_WINDOW_BYTES (64u << 20)
/* Entries whose proposals are not known to be handed out: those of one term fill a window, those of terms before are decided
 * when the leader's first entry is committed. At it proposals wait. */
#define REPLICA_PACKED_ENTRIES_MAX (2u * REPLICA_WINDOW_ENTRIES)
/* Proposals that wait to be packed: all parked compounds of all loops. The next one is refused. */
#define REPLICA_WAITING_MAX (4u << 20)

/* RocksDB's cache and memtable over a state that was fetched: it is looked through once. */
#define STAGED_CACHE_BYTES ((size_t)16 << 20)
#define STAGED_WRITE_BUFFER_BYTES ((size_t)4 << 20)

/* --- peers --- */
/* Body of a frame between nodes: the largest entry and its message. Longer: the connection is closed. */
#define PEER_FRAME_MAX_BYTES (ENTRY_MAX_BYTES + PEER_MESSAGE_MAX_BYTES + 4u)
/* The protobuf part of a frame; entries and commands lie behind it. Longer: the connection is closed. */
#define PEER_MESSAGE_MAX_BYTES 262144u
/* Entries or commands in one frame; more: the connection is closed. */
#define PEER_ITEMS_MAX 4096u
/* A configuration in an InstallSnapshot or a manifest; longer: the connection is closed. */
#define PEER_CONFIGURATION_MAX_BYTES 4096u
/* Files of the state in one snapshot, and the size of one; with more, none can be made. */
#define SNAPSHOT_FILES_MAX 2048u
#define SNAPSHOT_FILE_MAX_BYTES (1ull << 40)
/* What one frame carries of a snapshot, and how many such pieces are under way to a node: what waits to be sent to it is at
 * most their product, and what else the link carries at the same time waits no longer. */
#define SNAPSHOT_PIECE_BYTES 262144u
#define SNAPSHOT_PIECES_UNDER_WAY 8u
/* Blocks whose ids are read from the fetched state at a time. */
#define SNAPSHOT_BLOCKS_LISTED 256u
/* Nodes that fetch from this one at the same time; the next one waits. */
#define SNAPSHOT_RECEIVERS_MAX 4u
/* An ask, or a piece that does not come, is asked for again after this time; after that one of silence the fetch is given
 * up. */
#define SNAPSHOT_AGAIN_MS 2000u
#define SNAPSHOT_SILENCE_MS 30000u
/* A copy for which nobody has asked for so long goes. Between the last file and the first block, and before it starts anew, a
 * member looks through all that has come, which takes minutes for a large state, and asks for nothing. */
#define SNAPSHOT_KEEP_MS 600000u
/* A member that is told to wait for so long may ask another one: this one's disk may be low, or it has nothing newer. */
#define SNAPSHOT_ASK_MAX_MS 600000u
/* When the connection has ended and nothing came for so long, the fetch is given up: the member may be down. */
#define SNAPSHOT_LOST_MS 3000u
/* After a failed fetch (no room, damage, no answer) or a copy that could not be made, so long no other one. */
#define SNAPSHOT_REST_MS 10000u
/* Frames and results that wait for its thread; more frames are dropped, and asked for again. */
#define SNAPSHOT_INBOX_MAX 4096u
/* How often it looks for time-outs. */
#define SNAPSHOT_TICK_MS 250u
/* Frames that wait to be sent to one node on one channel; at it the next one is dropped, which raft bears. */
#define PEER_OUTPUT_MAX_BYTES (16u << 20)
/* Frames up to PEER_SMALL_FRAME_BYTES may use so much more: a ping must not be lost behind entries. */
#define PEER_OUTPUT_RESERVE_BYTES 65536u
#define PEER_SMALL_FRAME_BYTES 1024u
/* An input buffer larger than this is given back when it is empty. */
#define PEER_INPUT_KEEP_BYTES (1u << 20)
/* A connection whose handshake (TLS and hello) takes longer is closed. */
#define PEER_GREETING_TIMEOUT_MS 5000u
/* How often a connection on which nothing else is sent says that it is there, and how long the other side waits for it. */
#define PEER_ALIVE_MS 1000u
#define PEER_SILENCE_TIMEOUT_MS 5000u
/* A connection on which nothing could be sent for so long is closed. */
#define PEER_SEND_TIMEOUT_MS 5000u
/* How long one address of a peer may take to accept; then the next one is tried. Also how long its name may take to resolve. */
#define PEER_CONNECT_TIMEOUT_MS 1000u
/* How long a connection that ended may take to say so before it is closed. */
#define PEER_LINGER_MS 500u
/* Waits between calls of a peer that cannot be reached: doubled up to the second. */
#define PEER_RETRY_MIN_MS 50u
#define PEER_RETRY_MAX_MS 1000u
/* How often all connections to peers are looked at for their time-outs and calls. */
#define PEER_TICK_MS 50u
/* Connections from peers, strangers included; the next one is accepted and closed at once. */
#define PEER_ACCEPTED_MAX 256u
/* Cipher bytes of one connection that wait for the kernel; at it no further frame is encrypted. */
#define PEER_CIPHER_WAITING_BYTES 262144u
/* What one read from a peer takes, and one write gives. */
#define PEER_IO_BYTES 65536u
/* While a cluster is made: how often all others get a report anyway, and how often the log says what is waited for: at most
 * when that changes, and at least. */
#define FOUNDING_REPORT_MS 1000u
#define FOUNDING_LOG_MIN_MS 2000u
#define FOUNDING_LOG_MAX_MS 10000u

/* How often a node that joins says again what is in the way. */
#define JOIN_LOG_MS 60000u
/* Those who want to join and wait for one member's answer; more are told to ask again. */
#define JOINS_WAITING_MAX 64u

/* --- forwarder --- */
/* One batch of commands to the leader; a larger command goes alone. As an entry: what is packed together came together. */
#define FORWARD_BATCH_BYTES ENTRY_PACK_BYTES
/* Batches that are sent and not answered, and their bytes (one batch may be larger): at it commands gather in further ones.
 * Answers come as soon as the leader has packed, so that few cover the way there and back. */
#define FORWARD_UNANSWERED_MAX 8u
#define FORWARD_UNANSWERED_BYTES (4u << 20)
/* Commands of other nodes that wait to be packed, of all nodes and with what they take beside their bytes; at it the answer
 * is FULL, which makes their node wait. */
#define FORWARD_FOREIGN_MAX_BYTES (64u << 20)
/* How long a node waits with its commands after FULL, or when who answered did not take itself for the leader. */
#define FORWARD_PAUSE_MS 20u
/* Without an answer for so long the frame, or its answer, may have been dropped where output was full: it is sent again. */
#define FORWARD_TIMEOUT_MS 1000u
/* Changes of the term among the entries handed out that are remembered: an answer about entries before them is taken as no
 * answer. */
#define FORWARD_TERMS_MAX 32u

/* --- threads --- */
/* How long a worker sleeps without a message before it looks around. */
#define WORKER_SLEEP_MS 1000u
/* How long the applier and the log writer wait before they try a full disk again. */
#define DISK_FULL_RETRY_MS 100u
/* Proposals, messages and log requests that wait for the raft loop or the log writer: a proposal a parked compound. */
#define REPLICA_INBOX_MAX (4u << 20)
/* Committed entries that wait for the applier: at most one a parked compound. */
#define APPLIER_INBOX_MAX (4u << 20)
/* Commands of an entry that are written as one batch, and bytes of their rows: at either it is written. */
#define APPLIER_BATCH_COMMANDS 64u
#define APPLIER_BATCH_BYTES 262144u
/* Rows of removed blocks that one flush drops; more go with the next one. */
#define APPLIER_GARBAGE_MAX 65536u
/* Flushes that wait: one is under way at a time. */
#define APPLIER_FLUSHES_MAX 4u
/* When more of the process's memory was free than this at each of so many looks, the C library gives back what it can. */
#define HEAP_FREE_MAX_BYTES ((uint64_t)64 << 20)
#define HEAP_TRIM_LOOKS 3u
#define HEAP_LOOK_MS 1000u
/* A memtable is this part of the disk, within the other bounds; and when the disk is full, there is one and a half of it
 * that was kept: RocksDB does not go on before one fits. */
#define NODE_MEMTABLE_DIVISOR 64u
#define NODE_MEMTABLE_MIN_BYTES (4u << 20)
/* Room without which a node does not start: RocksDB's own files of an opening, and some. */
#define NODE_START_BYTES (4ull << 20)
/* How long SIGTERM waits for the answers that clients wait for. */
#define NODE_DRAIN_MS 10000u
/* How long a leader that stops waits until another node leads. */
#define NODE_HAND_OVER_MS 1000u
/* A gateway loop, raft loop, log writer or applier that has not turned over for so long is sick: /healthz says so. They
 * wake at least every WORKER_SLEEP_MS. */
#define NODE_ALIVE_MS 3000u
/* Nodes compare the chain hashes of their states at every entry whose index is a multiple of this. */
#define NODE_HASH_STEP 64u
/* Raft timers: an election after so long without a leader, a heartbeat so often. */
#define REPLICA_ELECTION_MS 300u
#define REPLICA_HEARTBEAT_MS 60u
/* A follower with so many entries that it has not applied stands for election so much later. */
#define REPLICA_BEHIND_ENTRIES 256u
#define REPLICA_BEHIND_MS 300u
/* A leading raft loop turns over with every heartbeat; a longer gap means that the process was stopped (SIGSTOP, a frozen
 * virtual machine), and does not count as time that it has led. */
#define REPLICA_STOPPED_MS 2000u
/* A process begins anew at most so often. */
#define RESTART_MIN_MS 1000u
/* How often the leader pings every member, and every node the leader: four may be lost in a row before any lease ends. */
#define LEASE_PING_MS 50u
/* How long a voter that answers a ping takes part in no election: below REPLICA_ELECTION_MS, so that it delays none. */
#define LEADER_PROMISE_MS 250u
/* Taken off the leader's lease: how far two clocks may run apart meanwhile (4 %), and what milliseconds round off. */
#define LEADER_DRIFT_MS 10u
/* A reader's question without an answer is asked again; and after a refusal so late: the other node may know soon who leads. */
#define READ_ANSWER_TIMEOUT_MS 500u
#define READ_RETRY_MS 20u
/* A node may act for its clients so long after it sent a ping that the leader answered, less the drift of its clock. */
#define NODE_LEASE_MS 500u
#define NODE_DRIFT_MS 20u
/* The leader takes a node for lost so long after its last ping came, or after its own election; says so again, as the command
 * may be lost. */
#define NODE_LOST_MS 600u
#define NODE_LOST_AGAIN_MS 1000u
/* A node whose threads have not all turned over for so long sends no pings; if it leads, it hands leadership over a little
 * later (after a stop of the process the threads must have had their turn), and stops if it still leads NODE_SICK_MS after. */
#define NODE_HEALTH_MS 1000u
#define NODE_HEALTH_GRACE_MS 100u
#define NODE_SICK_MS 1000u
/* Processes that a leader watches: one of each member, and of nodes that were removed. Others wait until one is gone. */
#define NODE_PROCESSES_MAX 64u
/* Chain hashes that a node keeps, and how long the leader waits for all nodes' before it judges by those that have come. */
#define STATE_HASHES_KEPT 64u
#define STATE_COMPARE_MS 1000u
/* Threads that read blocks. */
#define BLOCK_POOL_THREADS 4u

/* --- steward --- */
/* How often it looks for leases that ran out, files to free, dead blocks, free space. */
#define STEWARD_TICK_MS 250u
/* A flush comes at the latest so long after a command that it makes durable in the state; while room is short and blocks
 * wait for it before they can be removed, so long. */
#define STEWARD_FLUSH_MS 60000u
#define STEWARD_FLUSH_URGENT_MS 1000u
/* Results, effects and operators' requests that wait for it. */
#define STEWARD_INBOX_MAX (1u << 20)
/* Blocks that it has removed at a time. */
#define STEWARD_SWEEP_BLOCKS_MAX 1024u
/* A disk is low when less than this part of it, and less than this many bytes, are free: what grows answers NOSPC, and
 * the log, removals and renewals live from the rest. */
#define SPACE_RESERVE_DIVISOR 8u
#define SPACE_RESERVE_MAX_BYTES (1ull << 30)

/* --- floating addresses --- */
/* Objects in the table; `address add` beyond it is refused. */
#define ADDRESSES_MAX 64u
/* As the kernel's IFNAMSIZ without the NUL. */
#define ADDRESS_DEVICE_MAX_BYTES 15u
/* A node's sentence about why it cannot have an address; longer: cut. */
#define ADDRESS_TROUBLE_MAX_BYTES 120u
/* The thread that configures them looks at links, and at what is due, so often. */
#define ADDRESS_TICK_MS 50u
#define ADDRESS_LOOK_MS 200u
/* A link must be good for so long before the node says so: one that comes and goes gets no address. */
#define ADDRESS_GOOD_MS 2000u
/* A node that could not configure an address says so for so long before it wants to be asked again. */
#define ADDRESS_FAILED_MS 10000u
/* A report whose effect is not seen is made again. */
#define ADDRESS_REPORT_AGAIN_MS 1000u
/* An address is announced when it is taken, and for so long, so often. */
#define ADDRESS_ANNOUNCE_MS 5000u
#define ADDRESS_ANNOUNCE_EVERY_MS 250u
/* The kernel drops an address of a process that has stopped to renew it after so many seconds. */
#define ADDRESS_LIFE_SECONDS 2u
#define ADDRESS_RENEW_MS 500u
/* Connections with floating addresses that a node knows of, on all nodes; at it the one that was seen longest ago is forgotten, and
 * its client may wait for its keepalive after a takeover. */
#define ADDRESS_CONNECTIONS_MAX 4096u
/* One that no node has told of for so long is forgotten; every node tells of all so often. */
#define ADDRESS_CONNECTION_MS 60000u
#define ADDRESS_TELL_MS 5000u
/* An address is moved to even the nodes out only if it has stayed, and the node has run, for so long: nothing flaps. */
#define ADDRESS_HOLD_MS 60000u
/* How long the end of a node waits for others to take its addresses over. */
#define ADDRESS_LEAVE_MS 500u

/* --- admin --- */
/* HTTP connections, each with a thread of its own; the next one is closed at once. */
#define ADMIN_CONNECTIONS_MAX 64u
/* Body of an admin request (an export's specification); larger: 413. */
#define ADMIN_BODY_MAX_BYTES 65536u
/* An admin connection on which nothing happens for so long is closed. */
#define ADMIN_IDLE_TIMEOUT_SECONDS 30u
/* How long an admin request waits for its command to be applied; then 504. */
#define ADMIN_COMMAND_TIMEOUT_MS 10000u
/* Directory entries that one list looks at to find the names of its files; the others are shown as volume:inode. */
#define ADMIN_PATH_ENTRIES_MAX 200000u
/* Bytes of text about broken invariants in the answer of a check; the count is complete. */
#define ADMIN_CHECK_TEXT_MAX_BYTES 65536u
/* Rows in one answer of a list; the answer says that there are more, and where to go on. */
#define ADMIN_ROWS_MAX 10000u

#endif
