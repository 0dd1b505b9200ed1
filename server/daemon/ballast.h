/* ballast.h: a file that takes up room while there is plenty of it, so that a flush on a full disk can have that room:
 * without a flush neither log nor removed blocks can go, and nothing that clients remove would make a full disk emptier. */
#ifndef SERVER_DAEMON_BALLAST_H
#define SERVER_DAEMON_BALLAST_H

#include <pthread.h>

#include "cluster/disk.h"

struct ballast {
    const struct disk *disk; /* not owned */
    pthread_mutex_t mutex;   /* over the next */
    bool there;
};

/* Finds the one that an earlier process has left. */
void ballast_init(struct ballast *ballast, const struct disk *disk);
void ballast_fini(struct ballast *ballast);

/* Makes it if it is not there and its own room is free `spare_bytes` beside. Any thread. */
void ballast_keep(struct ballast *ballast, uint64_t spare_bytes);

/* Gives its room back; false if it is not there. Any thread. */
bool ballast_drop(struct ballast *ballast);

/* Whether there is room for so many bytes, by trying: how much of what is free is for us depends on who we are. */
bool ballast_room_for(const struct ballast *ballast, uint64_t size_bytes);

#endif
