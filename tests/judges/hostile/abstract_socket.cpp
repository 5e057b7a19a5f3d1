// expect: runtime_error
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main() { int s = socket(AF_UNIX, SOCK_STREAM, 0); if (s < 0) return 12; sockaddr_un a{}; a.sun_family = AF_UNIX; strcpy(a.sun_path + 1, "composed-hostile"); if (connect(s, (sockaddr *)&a, sizeof(sa_family_t) + 1 + strlen(a.sun_path + 1))) return 13; write(s, "leak", 4); }
