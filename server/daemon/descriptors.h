/* descriptors.h: how many files the process may have open, and how many of them are for clients. */
#ifndef SERVER_DAEMON_DESCRIPTORS_H
#define SERVER_DAEMON_DESCRIPTORS_H

#include "base/log.h"

/* Client connections, log segments, RocksDB's tables and blocks all want descriptors: as many as the system allows. */
void descriptors_raise(void);

/* How many client connections there are descriptors for; says so in the log if it is less than GATEWAY_CONNECTIONS_MAX. */
unsigned descriptors_for_clients(const struct log *log);

#endif
