"""The metrics of Kafka's brokers that Strimzi's metrics reporter exports, as far as Strimzi's own board reads them.

Source: examples/metrics/strimzi-metrics-reporter/grafana-dashboards/strimzi-kafka.json in
https://github.com/strimzi/strimzi-kafka-operator, commit 8541da1e (after release 1.2.0).
"""

METRICS = frozenset(
    f"kafka_{name}"
    for name in (
        "cluster_partition_atminisr",
        "cluster_partition_underminisr",
        "controller_controllerstats_uncleanleaderelectionspersec_total",
        "controller_kafkacontroller_activecontrollercount",
        "controller_kafkacontroller_offlinepartitionscount",
        "log_log_size",
        "network_socketserver_networkprocessoravgidlepercent",
        "server_brokertopicmetrics_bytesinpersec_total",
        "server_brokertopicmetrics_bytesoutpersec_total",
        "server_brokertopicmetrics_failedfetchrequestspersec_total",
        "server_brokertopicmetrics_failedproducerequestspersec_total",
        "server_brokertopicmetrics_messagesinpersec_total",
        "server_brokertopicmetrics_totalfetchrequestspersec_total",
        "server_brokertopicmetrics_totalproducerequestspersec_total",
        "server_kafkarequesthandlerpool_requesthandleravgidlepercent_total",
        "server_kafkaserver_linux_disk_read_bytes",
        "server_kafkaserver_linux_disk_write_bytes",
        "server_replicamanager_leadercount",
        "server_replicamanager_partitioncount",
        "server_replicamanager_underreplicatedpartitions",
        "server_socket_server_metrics_connection_count",
    )
)
