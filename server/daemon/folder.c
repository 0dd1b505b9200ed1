#include "server/daemon/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

enum status folder_make(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return STATUS_OK;
    return errno == ENOSPC || errno == EDQUOT ? STATUS_NO_SPACE : STATUS_IO;
}

enum status folder_sync(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return STATUS_IO;
    enum status status = fsync(folder) == 0 ? STATUS_OK : STATUS_IO;
    close(folder);
    return status;
}

/* From the leaves up; the folder itself only if it shall go too. */
static enum status folder_clear(const char *path, short keep_level)
{
    char *paths[] = {(char *)(uintptr_t)path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (walk == NULL)
        return STATUS_IO;
    enum status status = STATUS_OK;
    for (FTSENT *entry = fts_read(walk); entry != NULL; entry = fts_read(walk)) {
        int result = 0;
        if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR) {
            if (entry->fts_level == FTS_ROOTLEVEL && entry->fts_errno == ENOENT)
                continue;
            status = STATUS_IO;
        } else if (entry->fts_info == FTS_DP) {
            result = entry->fts_level == keep_level ? 0 : rmdir(entry->fts_accpath);
        } else if (entry->fts_info != FTS_D) {
            result = unlink(entry->fts_accpath);
        }
        if (result != 0 && errno != ENOENT)
            status = STATUS_IO;
    }
    fts_close(walk);
    return status;
}

enum status folder_remove(const char *path)
{
    return folder_clear(path, FTS_ROOTPARENTLEVEL);
}

enum status folder_empty(const char *path)
{
    return folder_clear(path, FTS_ROOTLEVEL);
}
