#include "server/daemon/ballast.h"

#include "base/check.h"
#include "base/limits.h"

#define BALLAST_PATH "ballast"
#define PROBE_PATH "probe"

void ballast_init(struct ballast *ballast, const struct disk *disk)
{
    *ballast = (struct ballast){.disk = disk};
    CHECK(pthread_mutex_init(&ballast->mutex, NULL) == 0);
    struct disk_file *file;
    ballast->there = disk->operations->file_open(disk->context, BALLAST_PATH, false, &file) == STATUS_OK;
    if (ballast->there)
        disk->operations->file_close(disk->context, file);
}

void ballast_fini(struct ballast *ballast)
{
    pthread_mutex_destroy(&ballast->mutex);
}

/* A file that takes so much room. Nothing is lost when it fails: it is not there then. */
static bool file_make(const struct disk *disk, const char *path, uint64_t size_bytes)
{
    struct disk_file *file;
    if (disk->operations->file_open(disk->context, path, true, &file) != STATUS_OK)
        return false;
    bool made = disk->operations->file_reserve(disk->context, file, size_bytes) == STATUS_OK;
    disk->operations->file_close(disk->context, file);
    if (!made)
        (void)disk->operations->file_remove(disk->context, path);
    return made;
}

static bool room_is_there(const struct disk *disk, uint64_t size_bytes)
{
    (void)disk->operations->file_remove(disk->context, PROBE_PATH); /* of a process that was killed here */
    return file_make(disk, PROBE_PATH, size_bytes) &&
           disk->operations->file_remove(disk->context, PROBE_PATH) == STATUS_OK;
}

void ballast_keep(struct ballast *ballast, uint64_t size_bytes, uint64_t spare_bytes)
{
    const struct disk *disk = ballast->disk;
    uint64_t free_bytes;
    uint64_t total_bytes;
    pthread_mutex_lock(&ballast->mutex);
    if (!ballast->there && disk->operations->space(disk->context, &free_bytes, &total_bytes) == STATUS_OK) {
        if (free_bytes >= size_bytes && free_bytes - size_bytes >= spare_bytes)
            ballast->there = file_make(disk, BALLAST_PATH, size_bytes);
    }
    pthread_mutex_unlock(&ballast->mutex);
}

/* False: it was not there. */
static bool ballast_drop(struct ballast *ballast)
{
    const struct disk *disk = ballast->disk;
    pthread_mutex_lock(&ballast->mutex);
    bool dropped = ballast->there && disk->operations->file_remove(disk->context, BALLAST_PATH) == STATUS_OK;
    if (dropped)
        ballast->there = false;
    pthread_mutex_unlock(&ballast->mutex);
    return dropped;
}

bool ballast_make_room(struct ballast *ballast, uint64_t size_bytes, const struct log *log)
{
    if (room_is_there(ballast->disk, size_bytes))
        return true;
    if (!ballast_drop(ballast))
        return false;
    log_line(log, LOG_WARN, "the disk is full: the state gets the room that was kept for it");
    return room_is_there(ballast->disk, size_bytes);
}
