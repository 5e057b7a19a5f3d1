// expect: runtime_error
// Every system call that no program of this kind needs, by its number, each of them refused.
#include <cstdio>
#include <sys/syscall.h>
#include <unistd.h>
int main() {
  const long calls[] = {SYS_socket, SYS_clone, SYS_fork, SYS_vfork, SYS_execve, SYS_ptrace, SYS_prctl, SYS_unshare, SYS_setns,
    SYS_mount, SYS_umount2, SYS_chroot, SYS_pivot_root, SYS_memfd_create, SYS_shmget, SYS_msgget, SYS_semget, SYS_mq_open,
    SYS_inotify_init1, SYS_eventfd2, SYS_epoll_create1, SYS_signalfd4, SYS_timerfd_create, SYS_fanotify_init, SYS_keyctl,
    SYS_add_key, SYS_bpf, SYS_userfaultfd, SYS_perf_event_open, SYS_process_vm_readv, SYS_process_vm_writev, SYS_seccomp,
    SYS_setuid, SYS_setgid, SYS_setsid, SYS_setpgid, SYS_setpriority, SYS_sched_setscheduler, SYS_sched_setaffinity,
    SYS_mlockall, SYS_personality, SYS_kcmp, SYS_name_to_handle_at, SYS_splice, SYS_sendfile, SYS_copy_file_range,
    SYS_chdir, SYS_mkdir, SYS_unlink, SYS_rename, SYS_chmod, SYS_truncate, SYS_ftruncate, SYS_fallocate, SYS_setrlimit,
    SYS_io_setup, SYS_mknod, SYS_link, SYS_symlink, SYS_utime, 424, 425, 428, 434, 437, 438, 440, 442, 447, 448, 449, 451};
  for (long call : calls)
    if (syscall(call, 0, 0, 0, 0, 0) >= 0) { printf("%ld", call); return 0; }
  return 17;
}
