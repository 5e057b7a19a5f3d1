// expect: runtime_error
#include <sys/mount.h>
#include <unistd.h>
int main() { setuid(0); return mount("none", "/tmp", "tmpfs", 0, 0) ? 16 : 0; }
